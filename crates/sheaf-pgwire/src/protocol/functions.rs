//! Functions by which clients ask for parameters and set them.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;
use sheaf::arrow::array::{Array, AsArray, StringArray, StringBuilder};
use sheaf::arrow::datatypes::DataType;
use sheaf::datafusion::error::Result as EngineResult;
use sheaf::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use sheaf::postgres::{ClientParameters, FactsSource};
use sheaf::{Result, ScalarValue, Session, Settings, SheafError, SqlState};

use super::engine_name;
use crate::parameters::Parameters;

/// Calls of `set_config` that one statement may do.
const ASKED_MAX: usize = 1_000;

/// Adds them to the session that those of all clients share their functions with.
///
/// # Errors
/// `Internal` if the engine refuses one.
pub(crate) fn register(session: &Session) -> Result<()> {
    for does in [Does::Show, Does::Set] {
        session.register_function(ScalarUDF::from(Parameter::new(does)))?;
    }
    Ok(())
}

/// The parameters of a session as its functions see them, and what they ask to be changed when their
/// statement has ended.
#[derive(Debug)]
pub(super) struct View {
    parameters: Parameters,
    settings: Arc<Settings>,
    asked: Vec<Asked>,
}

pub(super) type SharedView = Arc<Mutex<View>>;

/// The parameters as PostgreSQL's catalogue sees them.
#[derive(Debug)]
pub(super) struct Seen(pub(super) SharedView);

impl ClientParameters for Seen {
    fn value(&self, name: &str) -> Option<String> {
        self.0.lock().parameters.given(name)
    }
}

/// A call of `set_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    /// `None` is what the session began with.
    pub(super) value: Option<String>,
    pub(super) is_local: bool,
}

impl View {
    pub(super) fn new(parameters: Parameters, settings: Arc<Settings>) -> Self {
        Self {
            parameters,
            settings,
            asked: vec![],
        }
    }

    pub(super) fn update(&mut self, parameters: Parameters, settings: Arc<Settings>) {
        self.parameters = parameters;
        self.settings = settings;
    }

    pub(super) fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.asked)
    }

    /// The value of a parameter; `None` if there is none of that name.
    fn get(&self, name: &str) -> Option<String> {
        if let Some((_, value)) = self.parameters.get(name) {
            return Some(value.to_owned());
        }
        let known = self.settings.get(engine_name(name)).ok();
        known.map(|(value, _)| value.to_owned())
    }

    /// Asks for a change; the value that there will be.
    fn ask(&mut self, asked: Asked) -> Result<String> {
        if self.asked.len() >= ASKED_MAX {
            let message = format!("a statement calls set_config at most {ASKED_MAX} times");
            return Err(SheafError::resource(message).with_state(SqlState::PROGRAM_LIMIT));
        }
        let value = match &asked.value {
            Some(value) => match self.parameters.set(&asked.name, value)? {
                Some(change) => change.value,
                None => {
                    self.get(&asked.name).ok_or_else(|| unknown(&asked.name))?;
                    value.clone()
                }
            },
            None => {
                let now = self.get(&asked.name).ok_or_else(|| unknown(&asked.name))?;
                let reset = self.parameters.reset(&asked.name);
                reset.map_or(now, |change| change.value)
            }
        };
        self.asked.push(asked);
        Ok(value)
    }
}

/// What the client of a statement sees.
fn view_of(parameters: &dyn ClientParameters) -> Result<&SharedView> {
    let seen = (parameters as &dyn Any).downcast_ref::<Seen>();
    let seen = seen.ok_or_else(|| SheafError::internal("a statement of no client"))?;
    Ok(&seen.0)
}

fn unknown(name: &str) -> SheafError {
    SheafError::user(format!("unrecognized configuration parameter \"{name}\""))
        .with_state(SqlState::UNDEFINED_OBJECT)
}

/// `current_setting(name [, missing_ok])` and `set_config(name, value, is_local)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Parameter {
    does: Does,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Does {
    Show,
    Set,
}

impl Parameter {
    fn new(does: Does) -> Self {
        let (text, boolean) = (DataType::Utf8, DataType::Boolean);
        let signature = match does {
            Does::Show => Signature::one_of(
                vec![
                    TypeSignature::Exact(vec![text.clone()]),
                    TypeSignature::Exact(vec![text, boolean]),
                ],
                Volatility::Stable,
            ),
            // Not to be folded: planning a statement must not change anything.
            Does::Set => Signature::exact(vec![text.clone(), text, boolean], Volatility::Volatile),
        };
        Self { does, signature }
    }

    /// The value of one row.
    fn value(&self, view: &mut View, asked: Asked, is_missing_ok: bool) -> Result<Option<String>> {
        match self.does {
            Does::Set => view.ask(asked).map(Some),
            Does::Show => match view.get(&asked.name) {
                None if !is_missing_ok => Err(unknown(&asked.name)),
                value => Ok(value),
            },
        }
    }
}

impl ScalarUDFImpl for Parameter {
    fn name(&self) -> &str {
        match self.does {
            Does::Show => "current_setting",
            Does::Set => "set_config",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> EngineResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let are_scalars = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays.first().map_or(0, |array| array.len());
        let text = |index: usize, row: usize| {
            let array: Option<&StringArray> = arrays.get(index).and_then(|a| a.as_string_opt());
            array
                .filter(|array| array.is_valid(row))
                .map(|array| array.value(row).to_owned())
        };
        let is_true = |index: usize, row: usize| {
            let array = arrays.get(index).and_then(|array| array.as_boolean_opt());
            array.is_some_and(|array| array.is_valid(row) && array.value(row))
        };
        let facts = FactsSource::of(&args.config_options)?;
        let view = view_of(facts.identity.parameters.as_ref())?;
        let mut values = StringBuilder::new();
        for row in 0..rows {
            let value = match (self.does, text(0, row)) {
                (does, Some(name)) => {
                    let asked = Asked {
                        name,
                        value: text(1, row),
                        is_local: is_true(2, row),
                    };
                    let is_missing_ok = does == Does::Show && is_true(1, row);
                    self.value(&mut view.lock(), asked, is_missing_ok)?
                }
                (Does::Show, None) => None,
                (Does::Set, None) => {
                    return Err(SheafError::user("the name of a parameter is NULL")
                        .with_state(SqlState::NULL_VALUE_NOT_ALLOWED)
                        .into());
                }
            };
            values.append_option(value);
        }
        let values = values.finish();
        Ok(match are_scalars && rows == 1 {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?),
            false => ColumnarValue::Array(Arc::new(values)),
        })
    }
}
