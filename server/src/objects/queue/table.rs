//! What a queue says of itself.

use super::super::{Kind, Method, Parameter, UNDO};
use super::Queue;

/// The kind.
pub static KIND: Kind = Kind {
    name: "queue",
    doc: "Items that are put at one end and got at the other.",
    options: &[
        Parameter::optional(
            "maxsize",
            "int: how many items may be ready to be got; default 0, as many as there are, as is any number below",
        ),
        Parameter::optional("lifo", "bool: the newest item is got first; default False"),
        Parameter::optional(
            "dead_after",
            "int: an item that was taken so often and came back is a dead letter; default 0, never",
        ),
    ],
    methods: &[
        Method::write(
            "put",
            "Adds an item; waits for room, in the order in which callers came.",
            &[Parameter::required("item", "value"), BLOCKING],
        )
        .in_line(PUT),
        Method::write(
            "put_many",
            "Adds items, all at once; waits until there is room for all of them. More than can ever have room are refused.",
            &[
                Parameter::required("items", "list, tuple, set or frozenset of values"),
                BLOCKING,
            ],
        )
        .in_line(PUT),
        Method::write(
            "get",
            "Removes and returns the next item; waits for one, in the order in which callers came.",
            &[BLOCKING],
        )
        .in_line(GET)
        .shrinking()
        .undoable(),
        Method::write(
            "get_many",
            "Removes and returns a list of the next items: at least one, which it waits for, and at most n or about 1 MiB.",
            &[N, BLOCKING],
        )
        .in_line(GET)
        .shrinking()
        .undoable(),
        Method::write(
            "take",
            "Lends the next item, and waits for one; returns a dict of its value, its receipt and how often it was \
             delivered. It comes back to its place when the caller dies or the lease ends.",
            &[
                Parameter::optional(
                    "lease",
                    "seconds: how long it is the caller's; default None, for as long as its session lives",
                ),
                BLOCKING,
            ],
        )
        .in_line(GET)
        .undoable(),
        Method::write(
            "ack",
            "Deletes an item that was taken: it is done.",
            &[RECEIPT],
        )
        .shrinking(),
        Method::write(
            "nack",
            "Gives an item that was taken back to its place.",
            &[RECEIPT],
        )
        .shrinking(),
        Method::write(
            "extend",
            "Keeps an item that was taken for so long from now on.",
            &[RECEIPT, Parameter::required("lease", "seconds")],
        ),
        Method::read(
            "peek",
            "Returns a list of the next items, at most n or about 1 MiB.",
            &[Parameter::optional(
                "n",
                "int: how many at most, at least 1; default 1",
            )],
        ),
        Method::read("len", "Returns how many items are ready to be got.", &[]),
        Method::read("full", "Tells whether a put would have to wait.", &[]),
        Method::read(
            "unfinished",
            "Returns how many items were put and are not done.",
            &[],
        ),
        Method::write(
            "task_done",
            "Tells that items that were got are done.",
            &[Parameter::optional(
                "n",
                "int: how many, at least 1; default 1",
            )],
        )
        .shrinking(),
        Method::write(
            "join",
            "Waits until every item is done. Dead letters count as done.",
            &[],
        )
        .in_line(JOIN)
        .shrinking(),
        Method::write(
            "shutdown",
            "Refuses every put from now on, and every get once nothing is ready.",
            &[Parameter::optional(
                "immediate",
                "bool: deletes what is ready, which counts as done; default False",
            )],
        )
        .shrinking(),
        Method::write(
            "clear",
            "Deletes what is ready, which counts as done.",
            &[],
        )
        .shrinking(),
        Method::read(
            "dead",
            "Returns a list of dead letters, oldest first: dicts of ticket, value and deliveries; about 1 MiB at most.",
            &[Parameter::optional(
                "limit",
                "int: how many at most; default 1000",
            )],
        ),
        Method::write(
            "redrive",
            "Gives dead letters back to their places, oldest first, as if never delivered; returns how many.",
            &[DEAD_N],
        ),
        Method::write(
            "discard",
            "Deletes dead letters, oldest first; returns how many.",
            &[DEAD_N],
        )
        .shrinking(),
        Method::internal(
            UNDO,
            "Puts what was got, or gives what was taken, back to its place, as if nobody had had it.",
            &[
                Parameter::required("memo", "bytes: place and deliveries of an item; a tuple of such bytes: of a list of items; int: a receipt"),
                Parameter::required("reply", "what had been answered"),
            ],
        )
        .shrinking(),
        Method::internal("late_put", "A caller has waited for room for too long.", &[]),
        Method::internal("late_get", "A caller has waited for an item for too long.", &[]),
        Method::internal("late_join", "A caller has waited for the end for too long.", &[]),
    ],
    create: |options| Ok(Box::new(Queue::create(options)?)),
};

const PUT: &str = "put";
const GET: &str = "get";
const JOIN: &str = "join";

const BLOCKING: Parameter = Parameter::optional("blocking", "bool: may it wait? default True");
const N: Parameter = Parameter::required("n", "int: how many at most, at least 1");
const RECEIPT: Parameter = Parameter::required("receipt", "int: what take returned");
const DEAD_N: Parameter = Parameter::optional(
    "n",
    "int: how many at most, at least 1; default 100000, the most that one call handles",
);
