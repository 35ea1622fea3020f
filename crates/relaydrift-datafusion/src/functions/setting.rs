//! `setting(name)`: what the session has set, for views and questions.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::scalar::About;
use crate::settings::{Settings, data_type};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    let about = About {
        section: "Settings",
        description: "A threshold or severity as this session has it: times are intervals, the rest numbers and text. `set relaydrift.silence_hours = 6` changes one, information_schema.df_settings lists all. An unknown name is an error.",
        syntax: "setting(name)",
        example: "select setting('relaydrift.silence_hours'); -- 4 hours",
        arguments: &[(
            "name",
            "The name of the setting with its prefix, as a literal",
        )],
    };
    ScalarUDF::from(SettingFunction {
        // Stable: the planner puts the value in the place of the call.
        signature: Signature::uniform(
            1,
            vec![DataType::Utf8, DataType::Utf8View, DataType::LargeUtf8],
            Volatility::Stable,
        ),
        documentation: about.documentation(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SettingFunction {
    signature: Signature,
    documentation: Documentation,
}

fn name(argument: Option<&ScalarValue>) -> Result<&str> {
    match argument.and_then(|argument| argument.try_as_str().flatten()) {
        Some(name) => Ok(name),
        None => plan_err!("setting takes a name in quotes, such as 'relaydrift.silence_hours'"),
    }
}

impl ScalarUDFImpl for SettingFunction {
    fn name(&self) -> &str {
        "setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of a setting depends on its name")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let name = name(args.scalar_arguments.first().copied().flatten())?;
        Ok(Arc::new(Field::new(self.name(), data_type(name)?, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let argument = match args.args.first() {
            Some(ColumnarValue::Scalar(argument)) => Some(argument),
            _ => None,
        };
        let value = Settings::of(&args.config_options).value(name(argument)?)?;
        Ok(ColumnarValue::Scalar(value))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
