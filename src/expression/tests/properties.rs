//! What holds for every expression.

use proptest::prelude::*;

use super::*;

/// A number as its digits and where the point stands: the oracle's own arithmetic.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scaled(i128, u32);

impl Scaled {
    fn aligned(self, other: Self) -> (i128, i128, u32) {
        let scale = self.1.max(other.1);
        let digits = |Scaled(digits, own): Scaled| digits * 10i128.pow(scale - own);
        (digits(self), digits(other), scale)
    }

    fn decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(self.0, self.1)
    }
}

/// Text, how tightly its outermost operator binds, and value.
#[derive(Debug, Clone)]
struct Computed<T> {
    text: String,
    power: u8,
    value: T,
}

const ATOM: u8 = 9;

/// In parentheses where it must be, and sometimes where it need not.
fn grouped<T>(part: &Computed<T>, least: u8, needless: bool) -> String {
    if part.power < least || needless {
        format!("({})", part.text)
    } else {
        part.text.clone()
    }
}

fn arithmetic() -> impl Strategy<Value = Computed<Scaled>> {
    let leaf = (0i128..1_000, 0u32..3).prop_map(|(digits, scale)| Computed {
        text: Decimal::from_i128_with_scale(digits, scale).to_string(),
        power: ATOM,
        value: Scaled(digits, scale),
    });
    leaf.prop_recursive(4, 8, 2, |inner| {
        (inner.clone(), inner, 0..4u8, any::<bool>()).prop_map(|(a, b, which, needless)| {
            let (x, y, scale) = a.value.aligned(b.value);
            let (sign, power, value) = match which {
                0 => ("+", 5, Scaled(x + y, scale)),
                1 => ("-", 5, Scaled(x - y, scale)),
                2 => ("*", 6, Scaled(a.value.0 * b.value.0, a.value.1 + b.value.1)),
                _ => {
                    return Computed {
                        text: format!("-{}", grouped(&a, 7, needless)),
                        power: 7,
                        value: Scaled(-a.value.0, a.value.1),
                    };
                }
            };
            // Operators lean to the left, so an equal one on the right needs its parentheses.
            let (left, right) = (
                grouped(&a, power, needless),
                grouped(&b, power + 1, !needless),
            );
            Computed {
                text: format!("{left} {sign} {right}"),
                power,
                value,
            }
        })
    })
}

/// `price > 0`, `bid > 0`, `ask > 0` or the other way, for these three prices.
fn condition(prices: [Option<i8>; 3]) -> impl Strategy<Value = Computed<u8>> {
    let leaf = (0..3usize, any::<bool>()).prop_map(move |(which, above)| {
        let sign = if above { '>' } else { '<' };
        let truth = match prices[which] {
            None => 1,
            Some(price) if above == (price > 0) && price != 0 => 2,
            Some(_) => 0,
        };
        Computed {
            text: format!("{} {sign} 0", ["price", "bid", "ask"][which]),
            power: 4,
            value: truth,
        }
    });
    // False, unknown and true are 0, 1 and 2.
    leaf.prop_recursive(4, 10, 2, |inner| {
        (inner.clone(), inner, 0..3u8, any::<bool>()).prop_map(|(a, b, which, needless)| {
            let (word, power, value) = match which {
                0 => ("or", 1, a.value.max(b.value)),
                1 => ("and", 2, a.value.min(b.value)),
                _ => {
                    return Computed {
                        text: format!("not {}", grouped(&a, 3, needless)),
                        power: 3,
                        value: 2 - a.value,
                    };
                }
            };
            let (left, right) = (grouped(&a, power, needless), grouped(&b, power, !needless));
            Computed {
                text: format!("{left} {word} {right}"),
                power,
                value,
            }
        })
    })
}

fn prices() -> impl Strategy<Value = [Option<i8>; 3]> {
    prop::array::uniform3(prop::option::of(-5i8..5))
}

fn evaluated(expression: &Expression, prices: [Option<i8>; 3], margin: Option<Margin>) -> Truth {
    let input = |place: usize| {
        let price = match expression.operands()[place].field().unwrap() {
            Field::Price => prices[0],
            Field::Bid => prices[1],
            _ => prices[2],
        };
        price.map_or(Value::Null, |price| Value::Number(price.into()))
    };
    match margin {
        Some(margin) => expression.holds_within(margin, &input),
        None => expression.holds(&input),
    }
}

/// Pieces of the language in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "price",
        "side",
        "age",
        "change_percent_24h",
        "ETH/USD.price",
        "kraken:BTC/USD.bid",
        "rsi",
        "abs",
        "min",
        "50_000",
        "5%",
        "5 pct",
        "1h30m",
        "'x'",
        "buy",
        "true",
        "and",
        "or",
        "not",
        "<",
        ">=",
        "==",
        "!=",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        ",",
        "=",
        "&&",
        "%",
        ".",
        ":",
        "é",
        "\n",
        "\u{202e}",
    ]);
    prop::collection::vec((piece, prop::sample::select(vec!["", " "])), 0..24).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(piece, space)| [piece, space])
            .collect()
    })
}

/// Reads any text; whatever comes of it can be used.
fn use_fully(text: &str) -> Result<(), TestCaseError> {
    match Expression::parse(text) {
        Ok(expression) => {
            for value in [
                Value::Null,
                Value::Number(3.into()),
                Value::Text("buy".into()),
            ] {
                let input = |_| value.clone();
                let _ = (expression.evaluate(&input), expression.explain(&input));
                let _ = expression.holds_within(Margin::Percent(1.into()), &input);
            }
            prop_assert_eq!(Expression::parse(expression.text()).is_ok(), true);
        }
        Err(error) => {
            let end = error.text.chars().count() + 1;
            prop_assert!((1..=end).contains(&error.column), "{:?}", error);
            prop_assert!(error.width >= 1);
            let caret = error.caret();
            prop_assert_eq!(caret.lines().count(), 2, "{}", caret);
            prop_assert!(!caret.replace('\n', "").contains(char::is_control));
            prop_assert!(!error.to_string().contains(char::is_control));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        use_fully(&text)?;
    }

    #[test]
    fn no_order_of_the_words_panics(text in pieces()) {
        use_fully(&text)?;
    }

    #[test]
    fn arithmetic_is_exact_and_binds_as_it_should(computed in arithmetic()) {
        let expected = computed.value.decimal();
        prop_assert_eq!(value(&computed.text), Value::Number(expected), "{}", computed.text);
    }

    #[test]
    fn numbers_compare_as_what_they_are(a in arithmetic(), b in arithmetic()) {
        let (x, y, _) = a.value.aligned(b.value);
        for (sign, holds) in [("<", x < y), ("<=", x <= y), (">", x > y), (">=", x >= y), ("==", x == y), ("!=", x != y)] {
            let text = format!("{} {sign} {}", a.text, b.text);
            // Two of the largest together are more than an expression may hold.
            if let Ok(expression) = Expression::parse(&text) {
                prop_assert_eq!(expression.holds(&|_| Value::Null), Some(holds).into(), "{}", text);
            }
        }
    }

    #[test]
    fn logic_is_that_of_least_and_greatest(
        (prices, computed) in prices().prop_flat_map(|prices| (Just(prices), condition(prices)))
    ) {
        let expected = [Truth::False, Truth::Unknown, Truth::True][usize::from(computed.value)];
        prop_assert_eq!(evaluated(&expression(&computed.text), prices, None), expected, "{}", computed.text);
    }

    #[test]
    fn what_holds_holds_within_any_margin_and_the_more_so_the_larger_it_is(
        (prices, computed) in prices().prop_flat_map(|prices| (Just(prices), condition(prices))),
        margins in prop::array::uniform2(0u8..5),
    ) {
        let expression = expression(&computed.text);
        let within = |margin: u8| {
            evaluated(&expression, prices, Some(Margin::Absolute(margin.into())))
        };
        let (smaller, larger) = (margins[0].min(margins[1]), margins[0].max(margins[1]));
        prop_assert_eq!(within(0), evaluated(&expression, prices, None));
        if within(smaller) == Truth::True {
            prop_assert_eq!(within(larger), Truth::True, "{}", computed.text);
        }
    }

    #[test]
    fn a_negated_comparison_is_eased_like_its_opposite(prices in prices(), margin in 0u8..5) {
        for (sign, opposite) in [("<", ">="), ("<=", ">"), ("==", "!="), ("!=", "=="), (">", "<="), (">=", "<")] {
            let margin = Some(Margin::Absolute(margin.into()));
            let negated = expression(&format!("not price {sign} bid"));
            let plain = expression(&format!("price {opposite} bid"));
            prop_assert_eq!(evaluated(&negated, prices, margin), evaluated(&plain, prices, margin), "{}", sign);
        }
    }

    #[test]
    fn joined_parts_are_the_parts(parts in prop::collection::vec("[a-z0-9/. ]{1,5}|max\\([a-z],[a-z]\\)|'[a-z,(]*'", 1..6)) {
        let joined = parts.join(",");
        let trimmed: Vec<_> = parts.iter().map(|part| part.trim()).collect();
        prop_assert_eq!(split_top_level(&joined), trimmed);
    }
}
