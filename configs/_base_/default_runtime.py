# Everything about a run that is neither the model, the data nor the schedule.
from importlib.util import find_spec

default_scope = 'swimdiff'
custom_imports = dict(imports=['swimdiff'])

default_hooks = dict(
    runtime_info=dict(type='LazyRuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    throughput=dict(type='ThroughputHook'),
    batch_recipe=dict(type='BatchRecipeHook'),
    # The guards: docs/how-to/monitoring.md says what each measures and what to do when it speaks.
    finite_loss=dict(type='FiniteLossHook', interval=50),
    collapse=dict(type='CollapseHook', interval=50),
    trend=dict(type='TrendHook', interval=25),
    scene_mates=dict(type='SceneMatesHook', interval=500),
    feature_reliance=dict(type='FeatureRelianceHook', interval=50),
    gradient_share=dict(type='GradientShareHook', interval=500),
    # With `compile = True`: without it, every new learning rate would compile the step again.
    compiled_step=dict(type='CompiledStepHook'),
    progress_bar=dict(type='ProgressBarHook'),
    report=dict(type='ReportHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # Beside every 10th epoch, a crash costs half an hour at most; docs/how-to/scaling.md.
    # Checkpoints carry the statistics of the images; what comes after pre-training reads them.
    input_statistics=dict(type='InputStatisticsHook'),
    checkpoint=dict(type='AtomicCheckpointHook', interval=10, max_keep_ckpts=3, minutes=30),
    stop=dict(type='StopSignalHook'),
    sampler_seed=dict(type='SceneSamplerHook'),
    # A guard, too. Last: it takes for waiting what comes after it in an iteration.
    starvation=dict(type='LoaderStarvationHook', interval=50),
)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

# The throughput hook measures over the interval itself; the log shows its last value.
log_processor = dict(custom_cfg=[dict(data_src='images_per_s', method_name='mean', window_size=1)])
# JSON always, TensorBoard where it is installed; others: docs/how-to/monitoring.md.
visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='LocalVisBackend')]
    + [dict(type='TensorboardVisBackend')] * (find_spec('tensorboard') is not None),
)
log_level = 'INFO'

# One seed for all processes. Views follow from it and the sample, noise from it and the place in
# the global batch, what else is drawn from it, the process and the iteration:
# docs/concepts/processes.md.
randomness = dict(seed=0)
load_from = None
resume = False
