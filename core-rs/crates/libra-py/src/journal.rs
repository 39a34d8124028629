//! An account's log as rows of a database, read by whichever thread asks and without the GIL.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use libra_trading::gate::follow::Place;
use libra_trading::gate::log::LogError;
use libra_trading::journal::{Projection, Tables};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

/// Follows a log, and gives the rows of what it reads.
#[pyclass(frozen, module = "libra_core")]
pub struct LogProjection {
    inner: Mutex<Projection>,
}

/// Rows that belong into a database together.
#[pyclass(frozen, module = "libra_core")]
pub struct LogBatch {
    /// Records of the log that are projected with these.
    #[pyo3(get)]
    records: u64,
    /// Where the next one begins.
    #[pyo3(get)]
    offset: u64,
    /// Over all bytes up to there.
    #[pyo3(get)]
    digest: String,
    /// The account's time at the last record.
    #[pyo3(get)]
    ts_ns: i64,
    /// How many rows there are.
    #[pyo3(get)]
    rows: usize,
    tables: Vec<(&'static str, String)>,
}

#[pymethods]
impl LogBatch {
    /// Rows by table, as a JSON array of arrays.
    #[getter]
    fn tables(&self) -> Vec<(&'static str, &str)> {
        self.tables.iter().map(|(table, rows)| (*table, rows.as_str())).collect()
    }
}

type Reached = (u64, u64, String);

fn reached(place: Place) -> Reached {
    (place.records, place.offset, place.digest)
}

fn log_error(error: LogError) -> PyErr {
    PyOSError::new_err(error.to_string())
}

impl LogProjection {
    /// Runs `read` without the GIL. What a panic has left half read is not read on.
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&mut Projection) -> Result<T, LogError> + Send,
    ) -> PyResult<T> {
        py.detach(|| {
            let projection: Option<MutexGuard<'_, Projection>> = self.inner.lock().ok();
            projection.map(|mut projection| read(&mut projection))
        })
        .ok_or_else(|| PyRuntimeError::new_err("the projection failed before: open the log anew"))?
        .map_err(log_error)
    }
}

#[pymethods]
impl LogProjection {
    /// Opens a log. OSError for one that cannot be read.
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let inner = py.detach(|| Projection::open(&path)).map_err(log_error)?;
        Ok(LogProjection { inner: Mutex::new(inner) })
    }

    /// Every table with its columns, in the order in which rows bring them.
    #[staticmethod]
    fn columns() -> Vec<(&'static str, Vec<&'static str>)> {
        Tables::COLUMNS.iter().map(|(table, columns)| (*table, columns.to_vec())).collect()
    }

    /// Reads up to the record `until`, at most `most` records: (records, offset, digest) as reached. OSError for damage.
    fn skip(&self, py: Python<'_>, until: u64, most: u64) -> PyResult<Reached> {
        self.read(py, |projection| projection.skip(until, most)).map(reached)
    }

    /// Rows of at most `most` records, none behind the record `until`; None where no whole record is left. OSError for
    /// damage.
    #[pyo3(signature = (most, until=None))]
    fn batch(&self, py: Python<'_>, most: u64, until: Option<u64>) -> PyResult<Option<LogBatch>> {
        self.read(py, |projection| {
            let Some(batch) = projection.batch(until.unwrap_or(u64::MAX), most)? else { return Ok(None) };
            let (records, offset, digest) = reached(batch.place);
            let rows = batch.tables.len();
            Ok(Some(LogBatch { records, offset, digest, ts_ns: batch.ts_ns, rows, tables: batch.tables.finish() }))
        })
    }

    /// How far it is: (records, offset, digest).
    fn place(&self, py: Python<'_>) -> PyResult<Reached> {
        self.read(py, |projection| Ok(reached(projection.follower().place())))
    }

    /// Bytes of the log that were not read.
    fn behind(&self, py: Python<'_>) -> PyResult<u64> {
        self.read(py, |projection| projection.follower().behind())
    }

    /// Whose log it is; empty before its first record was read.
    fn account(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.read(py, |projection| Ok(projection.follower().name().as_str()))
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogProjection>()?;
    module.add_class::<LogBatch>()
}
