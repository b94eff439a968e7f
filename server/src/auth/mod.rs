//! TEMPORARY
#![allow(missing_docs, clippy::all, clippy::pedantic)]
pub(crate) use crate::session::TokenHash;
pub struct Auth;
impl Auth {
    pub fn open() -> Auth {
        Auth
    }
    pub(crate) fn adopt(&self, _: TokenHash) {}
    pub(crate) fn revoke(&self, _: TokenHash) {}
    pub(crate) fn restore(&self, _: TokenHash) {}
    pub(crate) fn check(&self, _: &str) -> Option<TokenHash> {
        Some([0; 32])
    }
}
