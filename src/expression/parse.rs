//! The grammar: tokens in, checked tree out.

use winnow::combinator::{Infix, Prefix, expression};
use winnow::prelude::*;
use winnow::stream::{Stateful, TokenSlice};
use winnow::token::any;

use super::build::Builder;
use super::call::Written;
use super::error::{ErrorKind, Fail, Fault};
use super::lex::{Token, TokenKind, shown, tokens};
use super::names;
use super::tree::{Arithmetic, Form, NodeId, Operator, Span, Tree};
use super::{Kind, MAX_DEPTH, Reference, What};

/// Reads and checks a whole text.
pub fn parse(text: &str) -> Result<Tree, Fault> {
    let tokens = tokens(text)?;
    check_nesting(&tokens)?;
    let mut input = Stateful {
        input: TokenSlice::new(&tokens),
        state: State {
            text,
            tokens: &tokens,
            tree: Builder::default(),
        },
    };
    let whole = match part(&mut input) {
        Ok(whole) => whole,
        Err(Fail::Cut(fault)) => return Err(fault),
        Err(Fail::Backtrack) => unreachable!("`part` tells what it expected"),
    };
    if let Some(token) = peek(&input) {
        return Err(match token.kind {
            TokenKind::Close => syntax(token.span, "`)` without `(`"),
            _ => expected("an operator", &input),
        });
    }
    Ok(input.state.tree.finish(whole.node))
}

#[derive(Debug)]
struct State<'t> {
    text: &'t str,
    /// All of them.
    tokens: &'t [Token],
    tree: Builder,
}

type Input<'t> = Stateful<TokenSlice<'t, Token>, State<'t>>;
type Parsed<T> = Result<T, Fail>;

/// A part of the tree with what only the grammar needs of it.
#[derive(Debug, Clone, Copy)]
struct Part {
    node: NodeId,
    /// The place of its first token.
    first: usize,
    /// With its parentheses.
    span: Span,
    grouped: bool,
}

/// From the loosest to the tightest; the library takes one more for what is to the right.
const OR: i64 = 10;
const AND: i64 = 20;
const NOT: i64 = 30;
const COMPARE: i64 = 40;
const SUM: i64 = 50;
const PRODUCT: i64 = 60;
const NEGATE: i64 = 70;

fn next<'t>(input: &mut Input<'t>) -> Parsed<&'t Token> {
    any.parse_next(input)
}

fn peek<'t>(input: &Input<'t>) -> Option<&'t Token> {
    let place = input.state.tokens.len() - input.input.len();
    input.state.tokens.get(place)
}

/// An expression up to what cannot belong to it.
fn part(input: &mut Input<'_>) -> Parsed<Part> {
    let parsed = expression(operand)
        .prefix(any.verify_map(prefix))
        .infix(any.verify_map(infix))
        .parse_next(input);
    match parsed {
        Err(Fail::Backtrack) => Err(Fail::Cut(expected("a value", input))),
        parsed => parsed,
    }
}

fn prefix<'t>(token: &Token) -> Option<Prefix<Input<'t>, Part, Fail>> {
    match token.kind {
        TokenKind::Not => Some(Prefix(NOT, fold_prefix)),
        TokenKind::Operator(Operator::Arithmetic(Arithmetic::Subtract)) => {
            Some(Prefix(NEGATE, fold_prefix))
        }
        _ => None,
    }
}

fn infix<'t>(token: &Token) -> Option<Infix<Input<'t>, Part, Fail>> {
    let TokenKind::Operator(operator) = token.kind else {
        return None;
    };
    let power = match operator {
        Operator::Or => OR,
        Operator::And => AND,
        // As if it were associative: `fold_infix` can tell more about `1 < x < 2` than its grammar.
        Operator::Compare(_) => COMPARE,
        Operator::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => SUM,
        Operator::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide) => PRODUCT,
    };
    Some(Infix::Left(power, fold_infix))
}

fn fold_prefix(input: &mut Input<'_>, part: Part) -> Parsed<Part> {
    let first = part.first - 1;
    let State { tokens, tree, .. } = &mut input.state;
    let operator = &tokens[first];
    let span = operator.span.to(part.span);
    let node = match operator.kind {
        TokenKind::Not => tree.not(part.node, operator.span, span),
        _ => tree.negate(part.node, operator.span, span),
    }
    .map_err(Fail::Cut)?;
    Ok(Part {
        node,
        first,
        span,
        grouped: false,
    })
}

fn fold_infix(input: &mut Input<'_>, left: Part, right: Part) -> Parsed<Part> {
    let State { text, tokens, tree } = &mut input.state;
    let Token {
        kind: TokenKind::Operator(operator),
        span: at,
    } = tokens[right.first - 1]
    else {
        unreachable!("an infix operator stands before its right side")
    };
    let before = &tree.node(left.node).form;
    if let (Operator::Compare(_), Form::Compare(_, _, middle), false) =
        (operator, before, left.grouped)
    {
        let (middle, written) = (tree.node(*middle).span.of(text), left.span.of(text));
        let hint = match tree.node(right.node).kind {
            Kind::YesNo => format!("write `({written}) {} …`", operator.name()),
            _ => {
                let right = right.span.of(text);
                format!("write `{written} and {middle} {} {right}`", operator.name())
            }
        };
        return Err(Fail::Cut(syntax(at, "comparisons do not chain").hint(hint)));
    }
    let span = left.span.to(right.span);
    let node = tree
        .binary(operator, left.node, right.node, at, span)
        .map_err(Fail::Cut)?;
    Ok(Part {
        node,
        first: left.first,
        span,
        grouped: false,
    })
}

/// A value, a name, a call, or an expression in parentheses.
fn operand(input: &mut Input<'_>) -> Parsed<Part> {
    let first = input.state.tokens.len() - input.input.len();
    let &Token { kind, span } = next(input)?;
    let (text, tree) = (input.state.text, &mut input.state.tree);
    let node = match kind {
        TokenKind::Number(value) => tree.number(value, span),
        TokenKind::Percent(value) => tree.percent(value, span),
        TokenKind::Duration(value) => tree.duration(value, span),
        TokenKind::YesNo(value) => tree.yes_no(value, span),
        TokenKind::Text(inner) => tree.text(inner.of(text), span),
        TokenKind::Name => return named(input, Reference::Own, span, first, span),
        TokenKind::Foreign {
            provider,
            symbol,
            name,
        } => {
            let of = Reference::Other {
                provider: provider.map(|provider| provider.of(text).to_string()),
                symbol: symbol.of(text).to_string(),
            };
            return named(input, of, name, first, span);
        }
        TokenKind::Open => {
            let inner = part(input)?;
            let close = closing(input, "an operator or `)`")?;
            return Ok(Part {
                first,
                span: span.to(close),
                grouped: true,
                ..inner
            });
        }
        TokenKind::Operator(_) | TokenKind::Not | TokenKind::Close | TokenKind::Comma => {
            return Err(Fail::Backtrack);
        }
    }
    .map_err(Fail::Cut)?;
    Ok(Part {
        node,
        first,
        span,
        grouped: false,
    })
}

/// A field, or a function with its arguments.
fn named(
    input: &mut Input<'_>,
    of: Reference,
    name: Span,
    first: usize,
    span: Span,
) -> Parsed<Part> {
    let text = input.state.text;
    let called = peek(input).filter(|token| token.kind == TokenKind::Open);
    if called.is_none() {
        let field = names::field(name.of(text), name).map_err(Fail::Cut)?;
        let node = input
            .state
            .tree
            .operand(of, What::Field(field), span.of(text), span)
            .map_err(Fail::Cut)?;
        return Ok(Part {
            node,
            first,
            span,
            grouped: false,
        });
    }
    names::known_function(name.of(text), name).map_err(Fail::Cut)?;
    let (arguments, close) = arguments(input)?;
    let call = names::call(name.of(text), name, arguments.len()).map_err(Fail::Cut)?;
    if of != Reference::Own && !call.has_market() {
        let (name, call) = (name.of(text), Span::new(name.start, close.end).of(text));
        let fault = syntax(span, format!("`{name}` belongs to no symbol"));
        return Err(Fail::Cut(fault.hint(format!("write `{}`", shown(call)))));
    }
    let span = span.to(close);
    let written = Written {
        text,
        of,
        name,
        arguments,
        span,
    };
    let node = written
        .build(call, &mut input.state.tree)
        .map_err(Fail::Cut)?;
    Ok(Part {
        node,
        first,
        span,
        grouped: false,
    })
}

/// What stands in the parentheses that come next, and the last of them.
fn arguments(input: &mut Input<'_>) -> Parsed<(Vec<NodeId>, Span)> {
    next(input)?;
    let mut arguments = Vec::new();
    if let Some(close) = peek(input).filter(|token| token.kind == TokenKind::Close) {
        next(input)?;
        return Ok((arguments, close.span));
    }
    loop {
        arguments.push(part(input)?.node);
        match peek(input) {
            Some(token) if token.kind == TokenKind::Comma => {
                next(input)?;
            }
            _ => return Ok((arguments, closing(input, "an operator, `,` or `)`")?)),
        }
    }
}

/// The parenthesis that must come next; `what` else could stand here.
fn closing(input: &mut Input<'_>, what: &str) -> Parsed<Span> {
    match peek(input) {
        Some(token) if token.kind == TokenKind::Close => Ok(next(input)?.span),
        Some(_) => Err(Fail::Cut(expected(what, input))),
        None => Err(Fail::Cut(expected("`)`", input))),
    }
}

/// What is wrong at the next token.
fn expected(what: &str, input: &Input<'_>) -> Fault {
    let text = input.state.text;
    match peek(input) {
        Some(token) => {
            let found = shown(token.span.of(text));
            syntax(token.span, format!("expected {what}, found `{found}`"))
        }
        None => {
            let end = Span::new(text.len(), text.len());
            syntax(end, format!("expected {what}, found the end"))
        }
    }
}

fn syntax(span: Span, message: impl Into<String>) -> Fault {
    Fault::new(ErrorKind::Syntax, span, message)
}

/// Bounds how deep the grammar has to go, before it goes; and refuses `not` where its operand would have
/// to reach beyond the operator before it.
fn check_nesting(tokens: &[Token]) -> Result<(), Fault> {
    let (mut depth, mut outer, mut previous) = (0usize, Vec::new(), None);
    for token in tokens {
        let after_value = previous.is_some_and(|kind: &TokenKind| {
            !matches!(
                kind,
                TokenKind::Operator(_) | TokenKind::Not | TokenKind::Open | TokenKind::Comma
            )
        });
        let base = outer.last().copied().unwrap_or(0);
        match token.kind {
            TokenKind::Open => {
                depth += 1;
                outer.push(depth);
            }
            TokenKind::Close => {
                outer.pop();
                depth = outer.last().copied().unwrap_or(0);
            }
            TokenKind::Not => {
                if let Some(TokenKind::Operator(
                    operator @ (Operator::Compare(_) | Operator::Arithmetic(_)),
                )) = previous
                {
                    let message = format!("`not` binds weaker than `{}`", operator.name());
                    return Err(
                        syntax(token.span, message).hint("put it and its operand in parentheses")
                    );
                }
                depth += 1;
            }
            TokenKind::Operator(Operator::Arithmetic(Arithmetic::Subtract)) if !after_value => {
                depth += 1
            }
            TokenKind::Operator(_) | TokenKind::Comma => depth = base,
            _ => {}
        }
        if depth > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of nesting");
            return Err(Fault::new(ErrorKind::Limit, token.span, message));
        }
        previous = Some(&token.kind);
    }
    Ok(())
}
