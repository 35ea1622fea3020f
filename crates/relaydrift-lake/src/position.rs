//! Where readers of a lake note how far they have come: `_relaydrift/positions/NAME.json`.

use object_store::PutMode;

use crate::{Error, Lake, store};

impl Lake {
    /// What was last [kept](Lake::keep_position) under a name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn position(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(&["_relaydrift", "positions", &format!("{name}.json")]);
        Ok(store::read(&*self.store(), &path).await?.map(Into::into))
    }

    /// Keeps a position under a name, in place of the one before: whole and synced, or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn keep_position(&self, name: &str, position: Vec<u8>) -> Result<(), Error> {
        let path = self.path(&["_relaydrift", "positions", &format!("{name}.json")]);
        let put = self
            .store()
            .put_opts(&path, position.into(), PutMode::Overwrite.into())
            .await;
        put.map(drop).map_err(Error::store(&path))
    }
}
