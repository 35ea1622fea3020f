//! What should be presented: exports of connectors, accepted domains and certificates, read and recognised by content.
