//! The glue between a pure kernel and the engine: one scalar function, argument types coerced.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TypeSignature, Volatility,
};

/// The whole of a function over columns: arguments of equal length, one of the accepted shapes.
pub(super) type Kernel = fn(&[ArrayRef]) -> Result<ArrayRef>;

/// A scalar function that depends on its arguments alone.
#[derive(Debug)]
pub(super) struct Scalar {
    /// Its name in SQL, lower case.
    pub name: &'static str,
    /// The argument lists it takes; other text and binary types are cast to these.
    pub takes: Vec<Vec<DataType>>,
    /// The type of its result.
    pub returns: DataType,
    /// What it computes.
    pub kernel: Kernel,
    /// What `show functions` prints.
    pub about: About,
}

/// What `show functions` prints.
#[derive(Debug)]
pub(super) struct About {
    /// The family of functions it belongs to.
    pub section: &'static str,
    /// What it returns, also for odd input.
    pub description: &'static str,
    /// How it is called.
    pub syntax: &'static str,
    /// A select to paste, and its answer as a comment.
    pub example: &'static str,
    /// Names and meanings of its arguments.
    pub arguments: &'static [(&'static str, &'static str)],
}

impl About {
    /// As the engine keeps it.
    pub(super) fn documentation(self) -> Documentation {
        let section = DocSection {
            include: true,
            label: self.section,
            description: None,
        };
        let documentation = Documentation::builder(section, self.description, self.syntax)
            .with_sql_example(self.example);
        let arguments = self.arguments.iter();
        arguments
            .fold(documentation, |documentation, (name, text)| {
                documentation.with_argument(*name, *text)
            })
            .build()
    }
}

impl Scalar {
    /// The function, ready to register.
    pub(super) fn udf(self) -> ScalarUDF {
        let takes = self
            .takes
            .iter()
            .cloned()
            .map(TypeSignature::Exact)
            .collect();
        let signature = Signature::one_of(takes, Volatility::Immutable);
        let documentation = self.about.documentation();
        ScalarUDF::from(Glue {
            name: self.name,
            returns: self.returns,
            kernel: self.kernel,
            signature,
            documentation,
        })
    }
}

/// Text in, as every function takes it: Utf8View and LargeUtf8 are cast to it.
pub(super) const TEXT: DataType = DataType::Utf8;

/// A list of text.
pub(super) fn texts() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))
}

/// Applies `kernel` to every value that is not NULL; NULL in, NULL out.
pub(super) fn each<'a, T, A: FromIterator<Option<T>> + Array + 'static>(
    values: &'a ArrayRef,
    kernel: impl Fn(&'a str) -> Option<T>,
) -> Result<ArrayRef> {
    let values = values.as_string::<i32>();
    Ok(Arc::new(
        values
            .iter()
            .map(|value| value.and_then(&kernel))
            .collect::<A>(),
    ))
}

/// Applies `kernel` to every pair without a NULL.
pub(super) fn each_pair<'a, T, A: FromIterator<Option<T>> + Array + 'static>(
    args: &'a [ArrayRef],
    kernel: impl Fn(&'a str, &'a str) -> Option<T>,
) -> Result<ArrayRef> {
    let (one, other) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let pairs = one.iter().zip(other.iter());
    Ok(Arc::new(
        pairs
            .map(|(one, other)| kernel(one?, other?))
            .collect::<A>(),
    ))
}

/// The second argument of a function that takes one text or a list of texts, row by row.
pub(super) enum OneOrMany<'a> {
    One(&'a StringArray),
    Many(&'a ListArray),
}

impl<'a> OneOrMany<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Self {
        match array.as_list_opt::<i32>() {
            Some(list) => OneOrMany::Many(list),
            None => OneOrMany::One(array.as_string::<i32>()),
        }
    }

    /// The texts of row `at`; `None` where the row is NULL. NULL items are left out.
    pub(super) fn at(&self, at: usize) -> Option<Vec<String>> {
        match self {
            OneOrMany::One(texts) => texts
                .is_valid(at)
                .then(|| vec![texts.value(at).to_string()]),
            OneOrMany::Many(lists) => lists.is_valid(at).then(|| {
                let items = lists.value(at);
                items
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .map(str::to_string)
                    .collect()
            }),
        }
    }
}

#[derive(Debug)]
struct Glue {
    name: &'static str,
    returns: DataType,
    kernel: Kernel,
    signature: Signature,
    documentation: Documentation,
}

impl PartialEq for Glue {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Glue {}

impl Hash for Glue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Glue {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Constants stay constants: one row in, one row out.
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<_> = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<_>>()?;
        let result = (self.kernel)(&arrays)?;
        if result.data_type() != &self.returns || result.len() != rows {
            return exec_err!(
                "{} returned {} rows of {}",
                self.name(),
                result.len(),
                result.data_type()
            );
        }
        if scalar {
            let value = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
