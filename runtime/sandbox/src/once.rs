//! A value that is made when it is first asked for. What fails is not kept: no memory or a broken disk may pass, and
//! must not stay with the process for ever.

use std::sync::{Mutex, OnceLock, PoisonError};

pub(crate) struct Once<T> {
    value: OnceLock<T>,
    /// Held by who makes it, so that it is made once.
    making: Mutex<()>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once { value: OnceLock::new(), making: Mutex::new(()) }
    }
}

impl<T> Once<T> {
    /// The value, made where there is none. Whoever comes meanwhile waits.
    pub(crate) fn get_or_try<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        // A maker that panicked has made nothing.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let made = make()?;
        Ok(self.value.get_or_init(|| made))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_not_kept_and_a_value_is() {
        let once = Once::default();
        assert_eq!(once.get_or_try(|| Err("no memory")), Err("no memory"));
        assert_eq!(once.get_or_try(|| Ok::<_, &str>(1)), Ok(&1));
        assert_eq!(once.get_or_try(|| Err("not asked again")), Ok(&1));
    }
}
