//! What can be called on a set.

use super::super::{Kind, Method, Options, Parameter};
use super::Set;

/// The kind.
pub static KIND: Kind = Kind {
    name: "set",
    doc: "Members, each once, with Python's idea of equal members.",
    options: &[],
    methods: &[
        Method::write(
            "add",
            "Adds a member; returns whether it is new.",
            &[Parameter::required(
                "member",
                "the member: anything that is hashable in Python",
            )],
        ),
        Method::write(
            "discard",
            "Removes a member; returns whether it was there.",
            &[MEMBER],
        )
        .shrinking(),
        Method::write("remove", "Removes a member that must be there.", &[MEMBER]).shrinking(),
        Method::read("contains", "Tells whether a member is there.", &[MEMBER]),
        Method::read("len", "Returns the number of members.", &[]),
        Method::write("pop", "Removes the newest member and returns it.", &[]),
        Method::write("clear", "Removes all members.", &[]).shrinking(),
        Method::read("copy", "Returns all of it as a set value.", &[]),
        Method::write("update", "Adds members.", &[MEMBERS]),
        Method::write(
            "add_many",
            "Adds members and returns how many are new.",
            &[MEMBERS],
        ),
        Method::write("difference_update", "Removes members.", &[MEMBERS]).shrinking(),
        Method::write(
            "discard_many",
            "Removes members and returns how many were there.",
            &[MEMBERS],
        )
        .shrinking(),
        Method::write(
            "intersection_update",
            "Removes all members that are not given.",
            &[MEMBERS],
        )
        .shrinking(),
        Method::read("items", "Returns a list of all members, oldest first.", &[]),
        Method::read(
            "scan",
            "Returns where to go on, or None at the end, and a list of members. A member that is there all the while is \
             met exactly once.",
            &[
                Parameter::optional("cursor", "where to go on; default None, the start"),
                Parameter::optional("limit", "the most members to return; default 1000"),
            ],
        ),
        Method::read(
            "intersection",
            "Returns a set of those of the given members that are there.",
            &[MEMBERS],
        ),
        Method::read("union", "Returns a set of its members and the given ones.", &[MEMBERS]),
        Method::read(
            "difference",
            "Returns a set of its members that are not given.",
            &[MEMBERS],
        ),
        Method::read("issuperset", "Tells whether all given members are there.", &[MEMBERS]),
        Method::read("issubset", "Tells whether all its members are given.", &[MEMBERS]),
        Method::read("isdisjoint", "Tells whether no given member is there.", &[MEMBERS]),
    ],
    create: |_: &Options| Ok(Box::new(Set::default())),
};

const MEMBER: Parameter = Parameter::required(
    "member",
    "the member; a set stands for the frozenset that equals it",
);
const MEMBERS: Parameter =
    Parameter::required("members", "list, tuple, set or frozenset of members, or a dict of which the keys count");
