//! Values and their JSON forms.

use super::*;

#[track_caller]
fn check(value: &Value, json: &str) {
    let written = value.to_json();
    assert_eq!(written.to_string(), json);
    let read: Json = serde_json::from_str(json).expect("JSON");
    let back = Value::from_json(&read).expect("a value");
    // As text, because NaN equals nothing.
    assert_eq!(format!("{back:?}"), format!("{value:?}"));
}

#[track_caller]
fn refused(json: &str, message: &str) {
    let json = serde_json::from_str(json).expect("JSON");
    let error = Value::from_json(&json).expect_err(message);
    assert_eq!(error.to_string(), message);
}

#[test]
fn plain_values_are_plain_json() {
    check(&Value::Null, "null");
    check(&true.into(), "true");
    check(&(-7).into(), "-7");
    check(&"$a\"é".into(), r#""$a\"é""#);
    check(&Value::List(vec![1.into(), "a".into()]), r#"[1,"a"]"#);
    check(
        &Value::Dict(vec![
            ("b".into(), 1.into()),
            ("a".into(), Value::Dict(vec![])),
        ]),
        r#"{"b":1,"a":{}}"#,
    );
}

#[test]
fn integers_keep_all_their_digits_and_floats_stay_floats() {
    check(&i64::MIN.into(), "-9223372036854775808");
    check(&u64::MAX.into(), "18446744073709551615");
    let large: BigInt = BigInt::from(10).pow(40) + 1;
    check(
        &Value::from_big_int(large),
        "10000000000000000000000000000000000000001",
    );
    check(&1.0.into(), "1.0");
    check(&(-0.0).into(), "-0.0");
    check(&5e-324.into(), "5e-324");
    check(&Value::Float(0.1 + 0.2), "0.30000000000000004");
    check(&f64::NAN.into(), r#"{"$float":"nan"}"#);
    check(&f64::INFINITY.into(), r#"{"$float":"inf"}"#);
    check(&f64::NEG_INFINITY.into(), r#"{"$float":"-inf"}"#);
    let float = Value::from_json(&serde_json::from_str("1E2").expect("JSON"));
    assert_eq!(float, Ok(Value::Float(100.0)));
}

#[test]
fn what_json_lacks_has_a_form() {
    let items = || vec![1.into(), "a".into()];
    check(&Value::Bytes((&b"hi"[..]).into()), r#"{"$bytes":"aGk="}"#);
    check(&Value::Tuple(items()), r#"{"$tuple":[1,"a"]}"#);
    check(&Value::Set(items()), r#"{"$set":[1,"a"]}"#);
    check(&Value::Frozenset(items()), r#"{"$frozenset":[1,"a"]}"#);
    check(
        &Value::Dict(vec![(1.into(), 2.into())]),
        r#"{"$dict":[[1,2]]}"#,
    );
    check(
        &Value::Dict(vec![("$a".into(), 2.into())]),
        r#"{"$dict":[["$a",2]]}"#,
    );
}

#[test]
fn references_go_by_name_if_they_have_one() {
    let named = Reference {
        kind: "dict".into(),
        name: "hits".into(),
        oid: Oid(0),
    };
    let anonymous = Reference {
        kind: "list".into(),
        name: String::new(),
        oid: Oid(u64::MAX),
    };
    check(
        &Value::Reference(named.clone().into()),
        r#"{"$ref":{"kind":"dict","name":"hits"}}"#,
    );
    check(
        &Value::Reference(anonymous.clone().into()),
        r#"{"$ref":{"kind":"list","oid":18446744073709551615}}"#,
    );
    let known = Reference {
        oid: Oid(9),
        ..named.clone()
    };
    assert_eq!(
        Value::Reference(known.into()).to_json(),
        Value::Reference(named.into()).to_json()
    );
    let opaque = |references| {
        Value::Opaque(Box::new(Opaque {
            codec: "pickle".into(),
            bytes: (&[0x80, 4][..]).into(),
            references,
        }))
    };
    check(
        &opaque(vec![]),
        r#"{"$opaque":{"codec":"pickle","bytes":"gAQ="}}"#,
    );
    check(
        &opaque(vec![anonymous]),
        r#"{"$opaque":{"codec":"pickle","bytes":"gAQ=","references":[{"kind":"list","oid":18446744073709551615}]}}"#,
    );
}

#[test]
fn wrong_forms_are_refused_where_they_stand() {
    refused(
        r#"{"a":[1,{"$bytes":7}]}"#,
        "at .a[1].$bytes: a string is wanted",
    );
    refused(
        r#"{"$new":1}"#,
        r#"at .$new: no such form; a dict with such a key is {"$dict": [[key, value]]}"#,
    );
    refused(
        r#"{"a":1,"$set":[]}"#,
        r#""$set" beside other keys; a dict with such a key is {"$dict": [[key, value]]}"#,
    );
    refused(
        r#"{"$float":"1"}"#,
        r#"at .$float: "nan", "inf" or "-inf" is wanted"#,
    );
    refused(
        r#"{"$dict":[[1]]}"#,
        "at .$dict[0]: an array of a key and its value is wanted",
    );
    refused(
        r#"{"$ref":{"kind":"dict"}}"#,
        "at .$ref: a reference has a name or an oid",
    );
    refused(
        r#"{"$opaque":{"codec":"p","bytes":"","more":1}}"#,
        r#"at .$opaque: "more" is none of ["codec", "bytes", "references"]"#,
    );
    refused("1e400", "the number is larger than any float");
}

#[test]
fn equal_members_are_refused() {
    refused(r#"{"$set":[1,true]}"#, "at .$set[1]: True is there twice");
    refused(
        r#"{"$dict":[[1,0],[1.0,0]]}"#,
        "at .$dict[1]: 1.0 is there twice",
    );
    refused(
        r#"{"$set":[{"$frozenset":[1,2]},{"$frozenset":[2.0,1]}]}"#,
        "at .$set[1]: frozenset({2.0, 1}) is there twice",
    );
    refused(
        r#"{"$set":[[1]]}"#,
        "at .$set[0]: a list cannot be a key or a member: it can change",
    );
    refused(
        r#"{"$dict":[[{"$float":"nan"},1]]}"#,
        "at .$dict[0]: NaN cannot be a key or a member: it equals nothing, not even itself",
    );
}

#[test]
fn objects_of_different_names_are_different_members() {
    let reference = |name: &str| {
        Value::Reference(Box::new(Reference {
            kind: "dict".into(),
            name: name.into(),
            oid: Oid(0),
        }))
    };
    check(
        &Value::Set(vec![reference("a"), reference("b")]),
        r#"{"$set":[{"$ref":{"kind":"dict","name":"a"}},{"$ref":{"kind":"dict","name":"b"}}]}"#,
    );
    let twice = Value::Set(vec![reference("a"), reference("a")]).to_json();
    refused(
        &twice.to_string(),
        r#"at .$set[1]: <dict "a"> is there twice"#,
    );
}

#[test]
fn depth_and_digits_are_bounded() {
    let nested = |levels| (1..levels).fold(Value::Null, |inner, _| Value::Tuple(vec![inner]));
    // Text, because readers of JSON have a bound of their own.
    let text = |value: &Value| value.to_json().to_string();
    let deepest = (2..DEPTH_MAX).fold(Value::Tuple(vec![Value::Null]), |inner, _| {
        Value::Dict(vec![(1.into(), inner)])
    });
    check(&deepest, &text(&deepest));
    check(&nested(DEPTH_MAX), &text(&nested(DEPTH_MAX)));
    let error = Value::from_json(&nested(DEPTH_MAX + 1).to_json()).expect_err("too deep");
    assert!(error.to_string().ends_with("nested deeper than 32 levels"));

    let largest = Value::from_big_int((BigInt::from(1) << (8 * INT_BYTES_MAX - 1)) - 1);
    assert_eq!(Value::from_json(&largest.to_json()), Ok(largest));
    let message = "the integer is larger than 65536 bytes";
    let above = BigInt::from(1) << (8 * INT_BYTES_MAX);
    refused(&above.to_string(), message);
    refused(&"9".repeat(1_000_000), message);
}
