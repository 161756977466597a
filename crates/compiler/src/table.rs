//! Which function makes the parameters of which rule, as a table with a line for each.

/// Makes of a table the function `parameters`. It takes the rules of a policy apart without a rest, so that a field
/// without a line does not build. A line is `group::rule(fields)`; after a semicolon stands the list of problems, for
/// a function that may find some. Fields that other templates enforce follow the table.
macro_rules! parameters {
    (
        $rules:ident, $problems:ident;
        $($group:ident::$rule:ident($($field:ident),+ $(; $list:ident)?)),+ $(,)?
        $(; elsewhere $other:ident)*
    ) => {
        fn parameters(rules: &$rules, $problems: &mut Vec<Problem>) -> Parameters {
            let $rules { $($($field,)+)+ $($other: _,)* } = rules;
            Parameters { $($rule: $group::$rule($($field,)+ $($list)?),)+ help_url: None, pod_templates: None }
        }
    };
}
