#!lua name=libra1
-- version: 8
-- What Redis or Valkey does for Libra's durable channels and latest values, each function as one step. docs/wire.md says what they promise.
-- Numbers stay below 2^53, so they are exact in Lua; a number that is written as text is written in full.
--
-- The bounds of a channel are a hash: `epoch` and `top`, the place of the last entry; `floor_epoch` and `floor`, below
-- which nothing is promised to be in the stream, while everything above up to the top is; `run`, the server process
-- on which this life of the publisher opened the channel first, or nothing once a server had lost something of it; `opened`, the
-- server process on which it was opened last; `@GROUP` for each group whose place has stood among the acknowledgements since the channel was opened, be it the beginning.

local LATEST = 9007199254740991

local function text(number)
  return string.format('%.0f', number)
end

local function below(epoch, seq, other_epoch, other_seq)
  return epoch < other_epoch or (epoch == other_epoch and seq < other_seq)
end

local function position(value)
  local epoch, seq = string.match(value or '', '^(%d+)-(%d+)$')
  return tonumber(epoch) or 0, tonumber(seq) or 0
end

-- An epoch that is stored. One that cannot be was written there by a version that believed whoever said it, and is none.
local function stored_epoch(value)
  local epoch = tonumber(value or '0')
  return epoch <= LATEST and epoch or 0
end

-- Why a channel of this epoch is not written to by a life of that one: a later life has it, or this server never heard of it.
local function refusal(epoch, own)
  if epoch == own then
    return nil
  end
  if tonumber(epoch or '0') > tonumber(own) then
    return redis.error_reply('FENCED ' .. epoch)
  end
  return redis.error_reply('INCARNATION unknown here')
end

-- The place of the stream's last entry.
local function end_of(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return position(last and last[1])
end

-- How many heard of it; else nobody, and the server's reason. What was done before stands, whether it may be told or not.
local function tell(channel, message)
  local heard = redis.pcall('PUBLISH', channel, message)
  if type(heard) == 'table' then
    return 0, heard.err or 'it was not published'
  end
  return heard
end

-- KEYS epochs; ARGV publisher, at_least, who claims, the epoch that it found -> the epoch claimed, or CLAIMED
-- A claim may be run long after its client has given up. So it takes the place only of the life that was found before, and who asks
-- again is given what it has. Who claimed which epoch stands under a name that no publisher can have. Version 3 says neither.
local function claim(keys, args)
  local stored = redis.call('HMGET', keys[1], args[1], args[1] .. ':by')
  local known = stored_epoch(stored[1])
  if args[3] then
    if stored[2] == text(known) .. ' ' .. args[3] then
      return text(known)
    end
    if known ~= tonumber(args[4]) then
      return redis.error_reply('CLAIMED ' .. text(known) .. ' since it was looked for')
    end
  end
  local epoch = text(math.max(known + 1, tonumber(args[2])))
  redis.call('HSET', keys[1], args[1], epoch, args[1] .. ':by', epoch .. ' ' .. (args[3] or ''))
  return epoch
end

-- KEYS epochs; ARGV publisher, epoch -> OK or FENCED
-- An epoch that was claimed on this server is known here. One that has to be raised shows that the server lost it, and that
-- stays written down, under a name that no publisher can have.
local function raise(keys, args)
  local stored = redis.call('HMGET', keys[1], args[1], args[1] .. ':raised')
  local known, raised, epoch = stored_epoch(stored[1]), stored_epoch(stored[2]), tonumber(args[2])
  if epoch > LATEST then
    return redis.error_reply('ERR no epoch is as late as ' .. args[2])
  end
  if known > epoch then
    return redis.error_reply('FENCED ' .. text(known))
  end
  if known < epoch then
    redis.call('HSET', keys[1], args[1], args[2], args[1] .. ':raised', args[2])
    raised = epoch
  end
  return redis.status_reply('OK'), raised
end

-- Whether that was news. Who has come nowhere yet has a place as well, since one that is gone is another matter.
local function raise_acknowledged(key, group, value)
  local epoch, seq = position(value)
  local was = redis.call('HGET', key, group)
  local was_epoch, was_seq = position(was or nil)
  local news = below(was_epoch, was_seq, epoch, seq)
  if news or not was then
    redis.call('HSET', key, group, value)
  end
  return news
end

-- KEYS epochs, bounds, stream, acknowledged; ARGV publisher, epoch, confirmed, run, then group, position for each that is known
--   -> top, floor, acknowledgements as name, position, ...
-- What the sender knows to be acknowledged holds on a server that has lost it too: so a group that begins again is owed what
-- comes behind, and no more. Who has a place here is written down beside the bounds: so who looks for a place that was lost knows that it was.
local function open(keys, args)
  local reply, raised = raise(keys, args)
  if reply.err then
    return reply
  end
  local epoch, confirmed, run, process = tonumber(args[2]), tonumber(args[3]), args[4], args[4]
  local bounds = redis.call('HMGET', keys[2], 'epoch', 'top', 'run', 'floor_epoch', 'floor')
  local known, top = tonumber(bounds[1] or '0'), tonumber(bounds[2] or '0')
  if known > epoch then
    return redis.error_reply('FENCED ' .. text(known))
  end
  if bounds[1] then
    local last_epoch, last = end_of(keys[3])
    local floor_epoch, floor = tonumber(bounds[4]), tonumber(bounds[5])
    local has_nothing = not below(floor_epoch, floor, last_epoch, last) and below(floor_epoch, floor, known, top)
    if last_epoch == known and last > top then
      -- The call that appended it was ended before it had raised the top.
      top, bounds[2] = last, text(last)
      redis.call('HSET', keys[2], 'top', bounds[2])
    elseif (has_nothing and known == epoch) or last_epoch > known then
      -- The stream's key was deleted, or evicted, by itself: the channel is another one, and what was in it is sent again. Where only
      -- a part is gone, or nobody can send it again, who reads finds it missing.
      bounds, run = {}, ''
    end
  end
  if not bounds[1] then
    redis.call('DEL', keys[3])
    redis.call('HSET', keys[2], 'epoch', args[2], 'top', '0', 'floor_epoch', args[2], 'floor', '0', 'run', run)
    top = 0
  elseif known < epoch then
    -- Where a life begins stands in the stream, with the end of the one before. That one began on another server
    -- process, or is not the last that there was: then what this one has may not be all.
    local before = bounds[1] .. '-' .. bounds[2]
    if bounds[3] == run and raised <= known then
      redis.call('XADD', keys[3], args[2] .. '-0', 'l', before)
    else
      redis.call('XADD', keys[3], args[2] .. '-0', 'l', before, 't', '')
    end
    redis.call('HSET', keys[2], 'epoch', args[2], 'top', '0', 'run', run)
    top = 0
  end
  if confirmed > top or raised == epoch then
    -- The server lost what it had confirmed, or our claim, and with that perhaps a whole life after ours. What we hold is
    -- sent again; but should we die before, nobody else would know, so the next life tells of it.
    redis.call('HSET', keys[2], 'run', '')
  end
  redis.call('HSET', keys[2], 'opened', process)
  for at = 5, #args, 2 do
    raise_acknowledged(keys[4], args[at], args[at + 1])
    redis.call('HSET', keys[2], '@' .. args[at], '')
  end
  local floor = redis.call('HMGET', keys[2], 'floor_epoch', 'floor')
  return { top, floor[1] .. '-' .. floor[2], redis.call('HGETALL', keys[4]) }
end

-- KEYS bounds, stream; ARGV channel, epoch, then first, last, frame for each
--   -> how many heard of the last one, or in words why nobody could be told
-- A function is one step, but no step that is taken back: what an error ends has been done so far. So the top rises with each entry.
local function append(keys, args)
  local bounds = redis.call('HMGET', keys[1], 'epoch', 'top', 'floor_epoch', 'floor')
  local refused = refusal(bounds[1], args[2])
  if refused then
    return refused
  end
  local top, heard, untold = tonumber(bounds[2]), 0, nil
  -- What is promised to be in the stream is in a stream that there is: one whose key is gone is not begun anew here.
  local exists = below(tonumber(bounds[3]), tonumber(bounds[4]), tonumber(bounds[1]), top)
  for at = 3, #args, 3 do
    local ends = tonumber(args[at + 1])
    if ends > top then
      if tonumber(args[at]) ~= top + 1 then
        return redis.error_reply('GAP ' .. text(top))
      end
      local id, added = args[2] .. '-' .. args[at + 1], nil
      if exists then
        added = redis.pcall('XADD', keys[2], 'NOMKSTREAM', id, 'f', args[at + 2])
      else
        added = redis.pcall('XADD', keys[2], id, 'f', args[at + 2])
      end
      if not added then
        return redis.error_reply('INCARNATION its stream is gone')
      elseif type(added) == 'table' and added.err then
        -- A stream that is ahead of its top is looked at by `open`.
        return string.find(added.err, 'equal or smaller') and redis.error_reply('INCARNATION its stream is ahead') or added
      end
      redis.call('HSET', keys[1], 'top', args[at + 1])
      local refused
      top = ends
      heard, refused = tell(args[1], args[at + 2])
      untold = refused or untold
    end
  end
  return untold or heard
end

-- KEYS acknowledged; ARGV group, position, control channel, what to say there -> 1 when that was news, or in words why it could not be told
local function ack(keys, args)
  local news = raise_acknowledged(keys[1], args[1], args[2])
  -- Said again when it is no news too, since the one that it is said to may not have heard.
  local _, untold = tell(args[3], args[4])
  return untold or (news and 1 or 0)
end

-- KEYS bounds, stream, acknowledged; ARGV epoch, position, then the groups that wait -> the floor
-- Without a group, what lies below is not held by its sender any more, and the channel goes on behind it.
local function trim(keys, args)
  local bounds = redis.call('HMGET', keys[1], 'epoch', 'top', 'floor_epoch', 'floor')
  local refused = refusal(bounds[1], args[1])
  if refused then
    return refused
  end
  local own, top = tonumber(bounds[1]), tonumber(bounds[2])
  local epoch, seq = position(args[2])
  if #args > 2 then
    local acknowledged = redis.call('HMGET', keys[3], unpack(args, 3))
    for at = 1, #args - 2 do
      local group_epoch, group_seq = position(acknowledged[at] or nil)
      if below(group_epoch, group_seq, epoch, seq) then
        epoch, seq = group_epoch, group_seq
      end
    end
    if epoch == own and seq > top then
      seq = top
    end
  elseif epoch == own and seq > top then
    redis.call('HSET', keys[1], 'top', text(seq))
  end
  -- A floor with seq 0 says that the channel began there, which who never had a position is content with.
  if seq > 0 and below(tonumber(bounds[3]), tonumber(bounds[4]), epoch, seq) then
    redis.call('HSET', keys[1], 'floor_epoch', text(epoch), 'floor', text(seq))
    redis.call('XTRIM', keys[2], 'MINID', '~', text(epoch) .. '-' .. text(seq + 1))
    return text(epoch) .. '-' .. text(seq)
  end
  return bounds[3] .. '-' .. bounds[4]
end

-- The first event of a frame: eight bytes of its header, the lowest first.
local function first_of(frame)
  local first = 0
  for at = 32, 25, -1 do
    first = first * 256 + (string.byte(frame, at) or 0)
  end
  return first
end

-- KEYS bounds, stream; ARGV epoch, the position of this life behind which somebody finds a hole, up to where who asks holds nothing
--   -> the floor
-- Where the next entry does not go on from there, what is between was deleted past these functions. Who asks has none of it, so
-- the floor passes over it; what lies further on in the hole is said again. Version 5 does not say how far that is.
local function mend(keys, args)
  local bounds = redis.call('HMGET', keys[1], 'epoch', 'top', 'floor_epoch', 'floor')
  local refused = refusal(bounds[1], args[1])
  if refused then
    return refused
  end
  local epoch, seq = position(args[2])
  local found = redis.call('XRANGE', keys[2], '(' .. args[2], '+', 'COUNT', 1)[1]
  local next_epoch, last = position(found and found[1])
  if next_epoch == epoch and last > 0 and not below(epoch, seq, tonumber(bounds[3]), tonumber(bounds[4])) then
    local upto = math.min(math.min(first_of(found[2][2]), last) - 1, tonumber(args[3] or '') or math.huge)
    if upto > seq then
      redis.call('HSET', keys[1], 'floor_epoch', text(epoch), 'floor', text(upto))
      return text(epoch) .. '-' .. text(upto)
    end
  end
  return bounds[3] .. '-' .. bounds[4]
end

-- Whether what a server has of a group may be less than the publisher knows. A process on which the channel was not opened may have data of
-- some time ago. Who may not ask how a process is called says one that is not known, and nothing follows from it.
local function may_lack(place, had_place, opened, process)
  if not place and had_place then
    return true
  end
  local is_known = process and not string.find(process .. (opened or ''), 'unknown-', 1, true)
  return is_known and opened ~= process
end

-- KEYS incarnation, bounds, stream, acknowledged; ARGV group, epoch, seq, count, bytes, run
--   -> incarnation, what the group acknowledged, epoch, top, floor, entries behind the position, 1 where there may be more, 1 where the
--   group's place was here and is gone, or may be older than its publisher knows. Version 7 does not say its run, and is not told of the latter.
-- So many entries at most, and so many bytes of frames unless the first has more: a reader takes no answer of any size.
local function read(keys, args)
  local incarnation = redis.call('GET', keys[1])
  local acknowledged = redis.call('HGET', keys[4], args[1])
  local bounds = redis.call('HMGET', keys[2], 'epoch', 'top', 'floor_epoch', 'floor', '@' .. args[1], 'opened')
  if not bounds[1] then
    return { incarnation, acknowledged }
  end
  local from = args[2] .. '-' .. text(tonumber(args[3]) + 1)
  local count, room = tonumber(args[4]), tonumber(args[5] or '') or math.huge
  local entries, more, page, largest = {}, 0, 4, 1
  while #entries < count and more == 0 do
    -- What is asked for stands in the server's memory, whether there is room for it or not: few, and no more than would find room
    -- if all were as large as the largest so far.
    local asked = math.min(page, count - #entries)
    local found = redis.call('XRANGE', keys[3], from, '+', 'COUNT', asked)
    for _, entry in ipairs(found) do
      room, largest = room - #entry[2][2], math.max(largest, #entry[2][2])
      if #entries > 0 and room < 0 then
        more = 1
        break
      end
      entries[#entries + 1] = entry
      from = '(' .. entry[1]
    end
    if #found < asked then
      break
    end
    page = math.max(1, math.min(16, math.floor(room / largest)))
  end
  if count > 0 and #entries == count then
    more = 1
  end
  local floor = bounds[3] .. '-' .. bounds[4]
  local last_epoch, last = position(#entries > 0 and entries[#entries][1] or nil)
  local is_at_end = count > 0 and more == 0 and not below(tonumber(bounds[3]), tonumber(bounds[4]), last_epoch, last)
  if is_at_end and below(tonumber(args[2]), tonumber(args[3]), tonumber(bounds[1]), tonumber(bounds[2])) then
    -- It should be here and is not, as where the stream's key was deleted: nothing is promised before it is sent again.
    floor = bounds[1] .. '-' .. bounds[2]
  end
  local lost = may_lack(acknowledged, bounds[5], bounds[6], args[6]) and 1 or 0
  return { incarnation, acknowledged, bounds[1], bounds[2], floor, entries, more, lost }
end

-- KEYS state; ARGV channel, field, version, frame
--   -> how many heard of it, in words why nobody could be told, or -1 when the server has one that is as new
-- The field holds the version, a space, and the frame. Where no channel is named, nobody is told.
local function latest(keys, args)
  local had = redis.call('HGET', keys[1], args[2]) or ''
  local epoch, seq = position(args[3])
  local had_epoch, had_seq = position(string.match(had, '^(%d+%-%d+) '))
  if not below(had_epoch, had_seq, epoch, seq) then
    return -1
  end
  redis.call('HSET', keys[1], args[2], args[3] .. ' ' .. args[4])
  if args[1] == '' then
    return 0
  end
  local heard, untold = tell(args[1], args[4])
  return untold or heard
end

-- What a full server has to take: a node joins, what was applied is acknowledged, and what all have acknowledged goes. They store a
-- few bytes at most, and without them nobody could ever make room.
local function register_for_a_full_server(name, callback)
  redis.register_function({ function_name = name, callback = callback, flags = { 'allow-oom' } })
end

register_for_a_full_server('libra1_claim', claim)
register_for_a_full_server('libra1_raise', raise)
register_for_a_full_server('libra1_open', open)
register_for_a_full_server('libra1_ack', ack)
register_for_a_full_server('libra1_trim', trim)
register_for_a_full_server('libra1_mend', mend)
redis.register_function('libra1_append', append)
redis.register_function('libra1_latest', latest)
redis.register_function({ function_name = 'libra1_read', callback = read, flags = { 'no-writes' } })
