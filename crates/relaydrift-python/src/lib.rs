//! What Python loads as `relaydrift._native`: the program's answers ([`source`]), and tables and functions for
//! the DataFusion of Python ([`host`]). What people call is in `python/relaydrift/__init__.py`.

mod host;
mod run;
mod source;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    relaydrift,
    Error,
    PyException,
    "What the program would say before it ends with exit code 2."
);

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DATAFUSION", datafusion::DATAFUSION_VERSION)?;
    module.add("Error", module.py().get_type::<Error>())?;
    module.add_class::<source::Source>()?;
    module.add_class::<source::Answer>()?;
    module.add_class::<source::Rows>()?;
    module.add_class::<host::Table>()?;
    module.add_class::<host::Function>()?;
    module.add_function(wrap_pyfunction!(source::check, module)?)?;
    module.add_function(wrap_pyfunction!(source::ingest, module)?)?;
    module.add_function(wrap_pyfunction!(source::open, module)?)?;
    module.add_function(wrap_pyfunction!(host::all_functions, module)?)?;
    Ok(())
}
