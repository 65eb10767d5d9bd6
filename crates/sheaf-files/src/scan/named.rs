//! The engine's own sources, with the file's name put on their errors.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use sheaf_base::SheafError;
use sheaf_base::error::{ErrorKind, SqlState};

use super::FileLabel;
use super::variants::{looks_at_variants, with_paths};

/// A source of the engine whose errors name the file. Public, so that rules of the optimizer can
/// reach the source within: `FileSource::downcast_ref` finds this type, not the engine's.
#[derive(Clone)]
pub struct NamedSource {
    inner: Arc<dyn FileSource>,
}

impl NamedSource {
    /// Puts file names on the errors of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn FileSource>) -> Self {
        Self { inner }
    }

    /// The engine's source.
    #[must_use]
    pub fn inner(&self) -> &Arc<dyn FileSource> {
        &self.inner
    }

    fn wrap(inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Self { inner })
    }

    /// `config` such that of VARIANTs only the paths that the projection wants are read.
    fn with_paths<'a>(&self, config: &'a FileScanConfig) -> EngineResult<Cow<'a, FileScanConfig>> {
        let schema = self.inner.table_schema().table_schema();
        with_paths(config, self.inner.projection(), schema)
    }
}

impl FileSource for NamedSource {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> EngineResult<Arc<dyn FileOpener>> {
        let config = self.with_paths(base_config)?;
        let inner = self
            .inner
            .create_file_opener(object_store, &config, partition)?;
        Ok(Arc::new(NamedOpener { inner }))
    }

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> EngineResult<Box<dyn Morselizer>> {
        let config = self.with_paths(base_config)?;
        let inner = self
            .inner
            .create_morselizer(object_store, &config, partition)?;
        Ok(Box::new(NamedMorselizer { inner }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Self::wrap(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> EngineResult<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let schema = self.table_schema().file_schema();
        let kept: Vec<bool> = filters
            .iter()
            .map(|filter| looks_at_variants(filter, schema))
            .collect();
        let others = filters.into_iter().zip(&kept);
        let others = others.filter_map(|(filter, is_kept)| (!is_kept).then_some(filter));
        let pushed = self.inner.try_pushdown_filters(others.collect(), config)?;
        let mut answers = pushed.filters.into_iter();
        let answers = kept.into_iter().map(|is_kept| match is_kept {
            true => PushedDown::No,
            false => answers.next().unwrap_or(PushedDown::No),
        });
        Ok(FilterPushdownPropagation {
            filters: answers.collect(),
            updated_node: pushed.updated_node.map(Self::wrap),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        eq_properties: &EquivalenceProperties,
    ) -> EngineResult<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self
            .inner
            .try_pushdown_sort(order, eq_properties)?
            .map(Self::wrap))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> EngineResult<Option<Arc<dyn FileSource>>> {
        Ok(self
            .inner
            .try_pushdown_projection(projection)?
            .map(Self::wrap))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> EngineResult<TreeNodeRecursion>,
    ) -> EngineResult<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

/// Puts `path` on an error of reading it. Errors that users cannot mend at the file (memory,
/// cancellation) stay as they are.
pub(crate) fn name_error(error: DataFusionError, path: &str, format: &str) -> SheafError {
    let error = SheafError::from(error);
    match error.kind() {
        ErrorKind::Data | ErrorKind::UserInput | ErrorKind::Internal | ErrorKind::Unsupported => {}
        ErrorKind::Resource | ErrorKind::Cancelled => return error,
    }
    if error.message().contains(path) {
        return error;
    }
    let state = error.state();
    let named = SheafError::data(format!("{path}: {}", error.message()));
    match state {
        SqlState::DATA_EXCEPTION | SqlState::INTERNAL_ERROR | SqlState::BAD_COPY_FILE_FORMAT => {
            named
                .with_state(SqlState::BAD_COPY_FILE_FORMAT)
                .with_hint(format!("the file is damaged, truncated or not {format}"))
        }
        state => named.with_state(state),
    }
}

/// The file that errors are to name.
#[derive(Debug, Clone)]
struct Name {
    path: Arc<str>,
}

impl Name {
    fn of(file: &PartitionedFile) -> Self {
        let path = match file.extension::<FileLabel>() {
            Some(label) => Arc::clone(&label.path),
            None => file.object_meta.location.as_ref().into(),
        };
        Self { path }
    }

    fn put<T>(&self, result: EngineResult<T>) -> EngineResult<T> {
        let format = self
            .path
            .rsplit_once('.')
            .map_or("this format", |(_, extension)| extension);
        result.map_err(|error| name_error(error, &self.path, format).into())
    }
}

struct NamedOpener {
    inner: Arc<dyn FileOpener>,
}

impl FileOpener for NamedOpener {
    fn open(&self, file: PartitionedFile) -> EngineResult<FileOpenFuture> {
        let name = Name::of(&file);
        let opening = name.put(self.inner.open(file))?;
        Ok(Box::pin(async move {
            let stream = name.put(opening.await)?;
            Ok(stream.map(move |batch| name.put(batch)).boxed())
        }))
    }
}

#[derive(Debug)]
struct NamedMorselizer {
    inner: Box<dyn Morselizer>,
}

impl Morselizer for NamedMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> EngineResult<Box<dyn MorselPlanner>> {
        let name = Name::of(&file);
        let inner = name.put(self.inner.plan_file(file))?;
        Ok(Box::new(NamedPlanner { inner, name }))
    }
}

#[derive(Debug)]
struct NamedPlanner {
    inner: Box<dyn MorselPlanner>,
    name: Name,
}

impl MorselPlanner for NamedPlanner {
    fn plan(self: Box<Self>) -> EngineResult<Option<MorselPlan>> {
        let name = self.name;
        let Some(mut plan) = name.put(self.inner.plan())? else {
            return Ok(None);
        };
        let morsels = plan.take_morsels().into_iter().map(|inner| {
            Box::new(NamedMorsel {
                inner,
                name: name.clone(),
            }) as Box<dyn Morsel>
        });
        let planners = plan.take_ready_planners().into_iter().map(|inner| {
            Box::new(NamedPlanner {
                inner,
                name: name.clone(),
            }) as Box<dyn MorselPlanner>
        });
        let mut named = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            named.set_pending_planner(async move {
                let inner = name.put(pending.await)?;
                Ok(Box::new(NamedPlanner { inner, name }) as Box<dyn MorselPlanner>)
            });
        }
        Ok(Some(named))
    }
}

#[derive(Debug)]
struct NamedMorsel {
    inner: Box<dyn Morsel>,
    name: Name,
}

impl Morsel for NamedMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, EngineResult<arrow::array::RecordBatch>> {
        let name = self.name;
        self.inner
            .into_stream()
            .map(move |batch| name.put(batch))
            .boxed()
    }
}
