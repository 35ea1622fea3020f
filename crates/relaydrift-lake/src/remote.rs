//! Object stores: from a URL to a store with the credentials of the environment.
//!
//! All of them create an object only where there is none (S3 by `If-None-Match`), which is what a commit
//! asks for: no table of locks, no rename.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, ObjectStoreScheme, Result, RetryConfig,
};
use url::Url;

use crate::Error;

/// A place in an object store.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// Its paths start at the root of the bucket.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// With a `/` at its end.
    pub(crate) url: Url,
    /// Of the place in the store.
    pub(crate) path: Path,
}

impl Remote {
    /// The place that a URL names, after one question to its store, asked with little patience: a wrong name,
    /// wrong credentials and a dead network show at once. [`None`] for a folder or a `file://` URL.
    ///
    /// # Errors
    /// [`Error::Scheme`], [`Error::Secret`], [`Error::Remote`].
    pub(crate) async fn open(location: &str) -> Result<Option<Remote>, Error> {
        let Some(mut url) = url(location)? else {
            return Ok(None);
        };
        let (cloud, path, help) = cloud(&url)?;
        let refused = |trouble: Trouble, source| Error::Remote {
            location: location.to_owned(),
            help: match trouble {
                Trouble::NoBucket => "create it, or correct the name",
                Trouble::Unreachable => "is the network up, and the name of its server right?",
                _ => help,
            },
            trouble,
            source,
        };
        let build = |retry| {
            build(&cloud, &url, retry)
                .map_err(|source| refused(Trouble::Settings, Some(source.into())))
        };
        let hurried = RetryConfig {
            max_retries: 2,
            retry_timeout: Duration::from_secs(10),
            ..RetryConfig::default()
        };
        let asked = build(hurried)?
            .get(&path.clone().join("_relaydrift").join("lake.json"))
            .await;
        if let Some((trouble, source)) = asked.err().and_then(Trouble::of) {
            return Err(refused(trouble, source));
        }
        let store = build(RetryConfig::default())?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Some(Remote { store, url, path }))
    }
}

/// The store that a URL (`s3://BUCKET/`, `az://CONTAINER/`, `abfss://CONTAINER@ACCOUNT…/`, `gs://BUCKET/`) names, with the
/// credentials of the environment. It is not asked for anything.
///
/// # Errors
/// [`Error::Scheme`], [`Error::Remote`].
pub fn object_store(url: &Url) -> Result<Arc<dyn ObjectStore>, Error> {
    let (cloud, _, help) = cloud(url)?;
    build(&cloud, url, RetryConfig::default()).map_err(|source| Error::Remote {
        location: url.to_string(),
        help,
        trouble: Trouble::Settings,
        source: Some(source.into()),
    })
}

/// Whose store a URL names, the path in it, and how its credentials are told.
fn cloud(url: &Url) -> Result<(ObjectStoreScheme, Path, &'static str), Error> {
    let scheme = || Error::Scheme {
        location: url.to_string(),
    };
    let (cloud, path) = ObjectStoreScheme::parse(url).map_err(|_| scheme())?;
    let help = match cloud {
        ObjectStoreScheme::AmazonS3 => S3,
        ObjectStoreScheme::MicrosoftAzure => AZURE,
        ObjectStoreScheme::GoogleCloudStorage => GOOGLE,
        _ => return Err(scheme()),
    };
    Ok((cloud, path, help))
}

/// A URL of an object store, [`None`] for a path or a `file://` URL.
fn url(location: &str) -> Result<Option<Url>, Error> {
    // `C:\lake` parses as a URL.
    let url = match Url::parse(location) {
        Ok(url) if location.contains("://") && url.scheme().len() > 1 => url,
        _ => return Ok(None),
    };
    // `abfss://CONTAINER@ACCOUNT…` alone has something before the `@`.
    let user = !url.username().is_empty() && !url.scheme().starts_with("abfs");
    if user || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(Error::Secret);
    }
    Ok(Some(url).filter(|url| url.scheme() != "file"))
}

fn build(cloud: &ObjectStoreScheme, url: &Url, retry: RetryConfig) -> Result<Arc<dyn ObjectStore>> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Ok(match cloud {
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = MicrosoftAzureBuilder::from_env();
            // Names that Azure's own tools read.
            for (name, key) in [
                ("AZURE_STORAGE_ACCOUNT", AzureConfigKey::AccountName),
                ("AZURE_STORAGE_KEY", AzureConfigKey::AccessKey),
            ] {
                if let (Some(value), None) = (variable(name), builder.get_config_value(&key)) {
                    builder = builder.with_config(key, value);
                }
            }
            Arc::new(builder.with_url(url.as_str()).with_retry(retry).build()?)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str());
            Arc::new(builder.with_retry(retry).build()?)
        }
        _ => {
            let mut builder = AmazonS3Builder::from_env();
            let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
            let mut endpoint = endpoint
                .iter()
                .filter_map(|key| builder.get_config_value(key));
            // Whoever names a server by http:// means it.
            if endpoint
                .next()
                .is_some_and(|url| url.starts_with("http://"))
            {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.with_url(url.as_str()).with_retry(retry).build()?)
        }
    })
}

const S3: &str = "S3 is told by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, by \
    AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or by the role of the machine; AWS_REGION names the region, \
    AWS_ENDPOINT_URL another server";
const AZURE: &str = "Azure is told by AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or \
    AZURE_STORAGE_SAS_TOKEN, by AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, by \
    AZURE_USE_AZURE_CLI=true, or by the identity of the machine";
const GOOGLE: &str = "Google Cloud Storage is told by GOOGLE_APPLICATION_CREDENTIALS, by what `gcloud auth \
    application-default login` keeps, or by the account of the machine";

/// Where a machine in a cloud asks who it is, when nothing else says it.
const IDENTITY: [&str; 4] = [
    "/latest/api/token",
    "/latest/meta-data/",
    "/metadata/identity/",
    "/computeMetadata/",
];

/// What is wrong between us and a store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The environment does not say enough, or wrongly.
    Settings,
    /// No bucket or container of that name.
    NoBucket,
    /// No credentials were given, and the machine has none either.
    NoCredentials,
    /// The store does not accept them; its code for that.
    Refused(String),
    /// Anything else: no network, no such host, an error of the store.
    Unreachable,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Settings => f.write_str("its store cannot be opened"),
            Trouble::NoBucket => f.write_str("there is no bucket or container of that name"),
            Trouble::NoCredentials => f.write_str("no credentials for its store"),
            Trouble::Refused(code) => write!(f, "its store refuses these credentials ({code})"),
            Trouble::Unreachable => f.write_str("its store cannot be reached"),
        }
    }
}

impl Trouble {
    /// What the answer to the first question means; [`None`] if only that the object is not there. The store's
    /// error goes along where it says more than this does; where it would repeat signatures, it does not.
    fn of(error: StoreError) -> Option<(Trouble, Option<Box<StoreError>>)> {
        let text = error.to_string();
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once('<'));
        let code = code.map_or("", |(code, _)| code);
        Some(match error {
            StoreError::NotFound { .. } => match code {
                "NoSuchBucket" | "ContainerNotFound" => (Trouble::NoBucket, None),
                _ => return None,
            },
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                let code = if code.is_empty() {
                    "no reason given"
                } else {
                    code
                };
                (Trouble::Refused(code.to_owned()), None)
            }
            _ if IDENTITY.iter().any(|path| text.contains(path)) => (Trouble::NoCredentials, None),
            error => (Trouble::Unreachable, Some(error.into())),
        })
    }
}
