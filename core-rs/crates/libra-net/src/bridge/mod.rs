//! The threads that join a node's router to Redis.
