//! Sees that the pages people read stay true: the invariants of `ARCHITECTURE.md` hold, what documents name exists, and
//! the generated pages are what the code says.

mod invariants;
mod limits;
mod pages;
mod papers;
mod planted;
mod source;

use source::Tree;

#[test]
fn every_invariant_of_the_architecture_holds() {
    let tree = Tree::load();
    let complaints: Vec<String> = invariants::CHECKS
        .iter()
        .flat_map(|(name, check)| {
            let found = check(&tree).into_iter();
            found.map(move |complaint| format!("{name}: {complaint}"))
        })
        .collect();
    check_nothing(&complaints);
}

#[test]
fn every_invariant_has_a_check_and_every_check_an_invariant() {
    let stated = papers::invariants();
    let checked: Vec<&str> = invariants::CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        stated, checked,
        "ARCHITECTURE.md states and tests/tidy checks, in order"
    );
}

#[test]
fn every_check_notices_what_it_forbids() {
    for (name, check) in invariants::CHECKS {
        let planted = planted::PLANTED.iter().filter(|(of, _, _)| of == name);
        assert!(
            planted.clone().next().is_some(),
            "nothing is planted for {name}"
        );
        for (_, path, text) in planted {
            let mut tree = Tree(Vec::new());
            tree.add(path, (*text).to_owned());
            let found = check(&tree);
            let notices = found.iter().any(|complaint| complaint.starts_with(path));
            assert!(
                notices,
                "{name} does not notice {text:?} in {path}: {found:?}"
            );
        }
    }
}

#[test]
fn what_documents_name_exists() {
    check_nothing(&papers::dangling());
}

#[test]
fn the_example_in_the_readme_is_the_one_that_is_built() {
    let example = format!("```rust\n{}```\n", source::read("client/examples/tour.rs"));
    assert!(
        source::read("README.md").contains(&example),
        "README.md shows client/examples/tour.rs"
    );
}

#[test]
fn nothing_names_the_place_where_it_was_written() {
    check_nothing(&papers::workplaces());
}

#[test]
fn every_kind_method_and_store_is_documented() {
    check_nothing(&pages::undocumented());
}

#[test]
fn the_page_of_kinds_is_what_the_method_tables_say() {
    pages::check("docs/kinds.md", &pages::kinds());
}

#[test]
fn the_page_of_limits_is_what_the_code_says() {
    pages::check("docs/limits.md", &limits::page(&Tree::load()));
}

#[test]
fn every_limit_is_on_the_page_of_limits() {
    check_nothing(&limits::unlisted(&Tree::load()));
}

#[test]
fn the_reader_of_sources_tells_code_from_text() {
    source::examples::all();
}

#[track_caller]
fn check_nothing(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
