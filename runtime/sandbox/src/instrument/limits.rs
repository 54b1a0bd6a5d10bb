//! The bounds on a module, and how much of each it uses.

use super::error::ModuleError;

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident = $default:expr, $what:literal;)*) => {
        /// Bounds on a module, against modules that are small to send and large to compile. A module over one of them
        /// is refused by its name. They are the same everywhere, so that all nodes refuse the same modules.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct ModuleLimits {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Default for ModuleLimits {
            fn default() -> Self {
                ModuleLimits { $($field: $default,)* }
            }
        }

        impl ModuleLimits {
            const NONE: ModuleLimits = ModuleLimits { $($field: 0,)* };

            /// What is bounded, and by how much, in the order of the fields.
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$(($what, self.$field),)*]
            }
        }

        impl Tally<'_> {
            $(
                /// Notes what was found, and refuses it where it is over the limit.
                pub(super) fn $field(&mut self, found: u64) -> Result<(), ModuleError> {
                    self.used.$field = self.used.$field.max(found);
                    within($what, found, self.limits.$field)
                }
            )*
        }
    };
}

limits! {
    /// Bytes of the module.
    bytes = 256 << 20, "bytes";
    /// Function types.
    types = 200_000, "types";
    /// Bytes of all types, of which one byte can take many when decoded.
    type_bytes = 16 << 20, "bytes of types";
    /// Imported functions.
    imports = 1_000, "imports";
    /// Functions that the module defines.
    functions = 200_000, "functions";
    /// Tables.
    tables = 99, "tables";
    /// Elements that all tables have at the start.
    table_elements = 9_999_999, "table elements";
    /// Tags of exceptions.
    tags = 1_000, "tags";
    /// Globals.
    globals = 200_000, "globals";
    /// Exports.
    exports = 200_000, "exports";
    /// Bytes of one name of an import or an export.
    name_bytes = 64 << 10, "bytes in one name";
    /// Element segments.
    element_segments = 99_999, "element segments";
    /// Elements of all element segments.
    elements = 10_000_000, "elements in segments";
    /// Data segments.
    data_segments = 99_999, "data segments";
    /// Bytes of one function's body.
    function_bytes = 4 << 20, "bytes in one function";
    /// The same when it is instrumented. The engine refuses a longer one; one that only the instrumentation makes so
    /// long is the requester's fault too.
    instrumented_function_bytes = 7_654_321, "bytes in one function when instrumented";
    /// Bytes of the module when it is instrumented.
    instrumented_bytes = 1 << 30, "bytes when instrumented";
    /// Locals of one function, parameters included.
    locals = 20_000, "locals in one function";
    /// Locals of all functions.
    all_locals = 20_000_000, "locals in all functions";
    /// Locals of a function, and values that its blocks take and give, times its branches and blocks, those that the
    /// instrumentation adds among them: the compiler keeps tables of that many entries, which made gigabytes of a
    /// module of 8 KiB.
    complexity = 80_000_000, "locals times branches in one function";
    /// Blocks inside each other in one function.
    nesting = 10_000, "blocks inside each other";
    /// Loops inside each other in one function: compiling takes time by the third power of it (9,000 of them, in 60 KiB,
    /// took minutes).
    loops = 256, "loops inside each other";
    /// Targets of one `br_table`. The engine refuses more.
    branch_targets = 50_000, "targets of one branch";
}

/// What has been found so far, held against the limits.
pub(super) struct Tally<'l> {
    limits: &'l ModuleLimits,
    pub(super) used: ModuleLimits,
}

impl<'l> Tally<'l> {
    pub(super) fn new(limits: &'l ModuleLimits) -> Self {
        Tally { limits, used: ModuleLimits::NONE }
    }
}

pub(super) fn within(what: &'static str, found: u64, limit: u64) -> Result<(), ModuleError> {
    if found > limit { Err(ModuleError::TooLarge { what, found, limit }) } else { Ok(()) }
}
