//! JSON in a page.

/// JSON for a `script` element.
pub(in crate::output) fn script_json(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_in_a_script_says_the_same_and_cannot_end_it(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let script = script_json(&json);
            prop_assert!(!script.contains('<'));
            prop_assert_eq!(serde_json::from_str::<String>(&script).unwrap(), text);
        }
    }
}
