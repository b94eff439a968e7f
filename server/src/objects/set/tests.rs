//! A set against a plain model, and what its methods answer.

use super::super::OPERATION_ROWS_MAX;
use super::super::exam::{self, Bench};
use super::*;
use commonhold_proto::Call;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn set() -> Bench {
    Bench::new(&KIND, &[])
}

/// What a Python programmer expects, in the plainest way.
#[derive(Clone, Default)]
struct Model(Vec<Value>);

impl Model {
    fn of(members: &[Value]) -> Model {
        let mut model = Model::default();
        for member in members {
            model.add(member);
        }
        model
    }

    fn at(&self, member: &Value) -> Option<usize> {
        self.0.iter().position(|other| other.equals(member))
    }

    fn add(&mut self, member: &Value) -> bool {
        let new = self.at(member).is_none();
        if new {
            self.0.push(member.clone());
        }
        new
    }

    fn remove(&mut self, member: &Value) -> bool {
        self.at(member).map(|at| self.0.remove(at)).is_some()
    }

    fn those(&self, which: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.0.iter().filter(|member| which(member)).cloned().collect()
    }

    fn run_one(&mut self, method: &str, arguments: &[Value]) -> Result<Value, Code> {
        Ok(match (method, arguments) {
            ("add", [member]) => self.add(member).into(),
            ("discard", [member]) => self.remove(member).into(),
            ("remove", [member]) if self.remove(member) => Value::Null,
            ("contains", [member]) => self.at(member).is_some().into(),
            ("len", []) => self.0.len().into(),
            ("pop", []) if !self.0.is_empty() => self.0.pop().expect("it is not empty"),
            ("remove" | "pop", _) => return Err(Code::NotFound),
            ("clear", []) => {
                self.0.clear();
                Value::Null
            }
            ("copy", []) => Value::Set(self.0.clone()),
            ("items", []) => Value::List(self.0.clone()),
            (method, _) => panic!("the model lacks {method}"),
        })
    }

    fn run_many(&mut self, method: &str, members: &[Value]) -> Value {
        let given = Model::of(members);
        let is_given = |member: &Value| given.at(member).is_some();
        match method {
            "update" | "add_many" | "union" => {
                let mut whole = self.clone();
                let new = members.iter().filter(|member| whole.add(member)).count();
                if method == "union" {
                    return Value::Set(whole.0);
                }
                *self = whole;
                if method == "update" { Value::Null } else { new.into() }
            }
            "difference_update" | "discard_many" => {
                let there = members.iter().filter(|member| self.remove(member)).count();
                if method == "discard_many" { there.into() } else { Value::Null }
            }
            "intersection_update" => {
                self.0 = self.those(is_given);
                Value::Null
            }
            "intersection" => {
                let own = |member: &Value| self.at(member).map(|at| self.0[at].clone());
                Value::Set(given.0.iter().filter_map(own).collect())
            }
            "difference" => Value::Set(self.those(|member| !is_given(member))),
            "issuperset" => given.0.iter().all(|member| self.at(member).is_some()).into(),
            "issubset" => self.0.iter().all(is_given).into(),
            "isdisjoint" => (!self.0.iter().any(is_given)).into(),
            method => panic!("the model lacks {method}"),
        }
    }

    fn run(&mut self, call: &Call) -> Result<Value, Code> {
        match &call.arguments[..] {
            [Value::List(members)] => Ok(self.run_many(&call.method, members)),
            arguments => self.run_one(&call.method, arguments),
        }
    }
}

fn call() -> BoxedStrategy<Call> {
    let one = select(vec!["add", "add", "discard", "remove", "contains"]);
    let none = select(vec!["len", "pop", "copy", "items"]);
    let many = KIND.methods.iter().filter(|method| {
        let parameters = method.parameters.iter();
        parameters.map(|parameter| parameter.name).eq(["members"])
    });
    let many = select(many.map(|method| method.name).collect::<Vec<_>>());
    prop_oneof![
        10 => (one, exam::key()).prop_map(|(method, member)| Call::new(method, [member])),
        8 => (many, vec(exam::key(), 0..6))
            .prop_map(|(method, members)| Call::new(method, [Value::List(members)])),
        4 => none.prop_map(|method| Call::new(method, [])),
        1 => Just(Call::new("clear", [])),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn a_set_is_pythons(calls in vec(call(), 0..80)) {
        let (mut set, mut model) = (set(), Model::default());
        for call in calls {
            let reply = set.ask(call.clone()).map_err(|refusal| refusal.code);
            prop_assert_eq!(format!("{reply:?}"), format!("{:?}", model.run(&call)), "{:?}", call);
            let copy = set.ask(Call::new("items", [])).expect("it is small");
            prop_assert_eq!(format!("{copy:?}"), format!("{:?}", Value::List(model.0.clone())));
        }
    }

    /// Whatever happens between the pages, a member that is there all the while is met once.
    #[test]
    fn a_scan_meets_what_stays_once(
        others in vec((any::<bool>(), exam::key()), 0..40), limit in 1i64..4, stays in vec(100i64..120, 1..8),
    ) {
        let mut set = set();
        let stays = Model::of(&stays.into_iter().map(Value::Int).collect::<Vec<_>>()).0;
        for member in &stays {
            set.ask(Call::new("add", [member.clone()])).expect("it can be added");
        }
        let (mut cursor, mut met) = (Value::Null, Vec::new());
        let mut others = others.into_iter().filter(|(_, member)| !stays.contains(member));
        loop {
            let page = set.ask(Call::new("scan", [cursor, limit.into()])).expect("a page");
            let Value::Tuple(mut page) = page else { panic!("no page: {page:?}") };
            let Some(Value::List(members)) = page.pop() else { panic!("no members") };
            prop_assert!(members.len() <= usize::try_from(limit).expect("it is small"));
            met.extend(members.into_iter().filter(|member| stays.contains(member)));
            cursor = page.remove(0);
            if cursor == Value::Null {
                break;
            }
            if let Some((add, member)) = others.next() {
                set.ask(Call::new(if add { "add" } else { "discard" }, [member])).expect("a key");
            }
        }
        prop_assert_eq!(met, stays);
    }
}

#[track_caller]
fn check(set: &mut Bench, call: Call, expected: &str) {
    let text = match set.ask(call) {
        Ok(value) => value.repr().to_string(),
        Err(refusal) => format!("{}: {refusal}", refusal.code.name()),
    };
    assert_eq!(text, expected);
}

fn ask(method: &str, arguments: impl Into<Vec<Value>>) -> Call {
    Call::new(method, arguments)
}

#[test]
fn refusals_name_the_member() {
    let set = &mut set();
    check(set, ask("remove", ["missing".into()]), r#"NotFound: no member "missing""#);
    check(set, ask("discard", ["missing".into()]), "False");
    check(set, ask("pop", []), "NotFound: no member");
    let list = || Value::List(vec![]);
    let unhashable = "WrongType: a list cannot be a key or a member: it can change";
    for method in ["add", "discard", "remove", "contains"] {
        check(set, ask(method, [list()]), unhashable);
    }
    for method in ["update", "difference", "issubset", "intersection_update"] {
        check(set, ask(method, [Value::List(vec![1.into(), list()])]), unhashable);
    }
    check(set, ask("len", []), "0");
    check(
        set,
        ask("add", [f64::NAN.into()]),
        "WrongType: NaN cannot be a key or a member: it equals nothing, not even itself",
    );
    check(
        set,
        ask("update", ["text".into()]),
        r#"BadArguments: update: the argument "members" must be a list, not str"#,
    );
    check(
        set,
        ask("scan", ["x".into()]),
        r#"BadArguments: scan: the argument "cursor" must be bytes, not str"#,
    );
}

#[test]
fn the_first_member_stays() {
    let set = &mut set();
    check(set, ask("add", [1.into()]), "True");
    check(set, ask("add", [1.0.into()]), "False");
    let members = vec![true.into(), 2.0.into(), 2.into(), 3.into()];
    check(set, ask("add_many", [Value::List(members)]), "2");
    check(set, ask("items", []), "[1, 2.0, 3]");
    check(set, ask("intersection", [Value::Tuple(vec![true.into()])]), "{1}");
    check(set, ask("remove", [true.into()]), "None");
    check(set, ask("add", [true.into()]), "True");
    check(set, ask("items", []), "[2.0, 3, True]");
}

/// As in Python: a set is looked for as a frozenset, but cannot be added.
#[test]
fn a_set_is_found_as_a_frozenset() {
    let set = &mut set();
    let members = || vec![1.into()];
    check(set, ask("add", [Value::Frozenset(members())]), "True");
    check(set, ask("contains", [Value::Set(members())]), "True");
    check(set, ask("remove", [Value::Set(members())]), "None");
    check(
        set,
        ask("add", [Value::Set(members())]),
        "WrongType: a set cannot be a key or a member: it can change",
    );
}

#[test]
fn of_a_dict_the_keys_count() {
    let set = &mut set();
    let dict = Value::Dict(vec![("a".into(), 1.into()), ("b".into(), 2.into())]);
    check(set, ask("update", [dict.clone()]), "None");
    check(set, ask("issubset", [dict]), "True");
    check(set, ask("items", []), r#"["a", "b"]"#);
}

/// Each call costs a row for each member that comes or goes, and clearing costs one.
#[test]
fn a_call_writes_a_row_for_each_change() {
    let set = &mut set();
    let members = |range: std::ops::Range<i64>| Value::List(range.map(Value::Int).collect());
    let mut rows = |call: Call| {
        let before = set.log.len();
        set.ask(call).expect("it is done");
        set.log.len() - before
    };
    assert_eq!(rows(ask("add", [0.into()])), 1);
    assert_eq!(rows(ask("add", [0.0.into()])), 0);
    assert_eq!(rows(ask("update", [members(0..10)])), 9);
    assert_eq!(rows(ask("pop", [])), 1);
    assert_eq!(rows(ask("discard_many", [members(5..20)])), 4);
    assert_eq!(rows(ask("clear", [])), 1);
    assert_eq!(rows(ask("clear", [])), 0);
}

#[test]
fn what_is_too_large_is_paged_or_refused() {
    let mut set = set();
    let members: Vec<Value> = (0..=OPERATION_ROWS_MAX as u64).map(Value::from).collect();
    for (member, index) in members.iter().zip(0..) {
        let bytes = member.canonical_key().expect("a key");
        set.object.apply(&fresh(Ticket { revision: 1, index }, &bytes, member));
    }
    let whole = "TooLarge: 100001 entries are more than one call may handle, which is 100000: use scan";
    let none = || Value::List(vec![]);
    for call in [ask("copy", []), ask("items", []), ask("union", [none()]), ask("difference", [none()])] {
        check(&mut set, call, whole);
    }
    let refusal = set.ask(ask("update", [Value::List(members)])).expect_err("it is too large");
    assert_eq!(refusal.code, Code::TooLarge);
    check(&mut set, ask("intersection", [Value::List(vec![7.0.into()])]), "{7}");
    let page = set.ask(ask("scan", [Value::Null, 50_000.into()]));
    let Ok(Value::Tuple(page)) = page else { panic!("no page: {page:?}") };
    assert_ne!(page[0], Value::Null);
}
