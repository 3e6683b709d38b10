"""The workers of a training on several machines, from TF_CONFIG or from Slurm; without devices."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError, UsageError

_FORM = '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}'
_JOBS = ("chief", "worker")


def count_workers() -> int:
    """Return how many workers TF_CONFIG names or, without it, how many tasks the Slurm step has; else 1.

    Raises:
        UsageError: TF_CONFIG cannot be used, or Slurm's number of tasks is none.
    """
    config = _tf_config()
    if config is not None:
        return sum(map(len, config["cluster"].values()))
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    if not tasks.isdigit():
        raise UsageError(f"SLURM_STEP_NUM_TASKS must be a number, got {tasks!r}.")
    return int(tasks)


def resolve_cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """Return the resolver of this process' cluster: TensorFlow's own for TF_CONFIG, or for Slurm.

    Raises:
        UsageError: there is no cluster, or TF_CONFIG cannot be used.
        EfficientNetError: what Slurm says of its step makes no cluster.
    """
    if _tf_config() is not None:
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_STEP_NUM_TASKS" not in os.environ:
        raise UsageError(
            "The strategy multiworker needs several workers: TF_CONFIG in the environment, or a step of Slurm (srun)."
        )
    return _slurm()


def _tf_config() -> dict[str, Any] | None:
    """Return TF_CONFIG with its cluster and task checked, or None where it is not set or names no cluster."""
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"TF_CONFIG is not JSON: {error}. It must be like {_FORM}.") from None
    if not isinstance(config, dict):
        raise UsageError(f"TF_CONFIG must be like {_FORM}, got a {type(config).__name__}.")
    if not config.get("cluster"):
        return None
    cluster, task = config["cluster"], config.get("task")
    if not _is_cluster(cluster):
        raise UsageError(f"The cluster of TF_CONFIG must list addresses of worker, got {json.dumps(cluster)}.")
    unknown = [job for job in cluster if job not in _JOBS]
    if unknown:
        raise UsageError(f"The cluster of TF_CONFIG may have the jobs {' and '.join(_JOBS)}, got {', '.join(unknown)}.")
    if not _is_task(task, cluster):
        raise UsageError(
            f"The task of TF_CONFIG must name one of the addresses of its cluster by type and index, "
            f"got {json.dumps(task)}."
        )
    return config


def _is_cluster(cluster: object) -> bool:
    return isinstance(cluster, dict) and all(
        isinstance(addresses, list) and addresses and all(isinstance(address, str) for address in addresses)
        for addresses in cluster.values()
    )


def _is_task(task: object, cluster: dict[str, list[str]]) -> bool:
    if not isinstance(task, dict):
        return False
    try:
        index = int(task["index"])  # Kubernetes operators give it as a number or as text
    except (KeyError, TypeError, ValueError):
        return False
    return task.get("type") in cluster and 0 <= index < len(cluster[task["type"]])


def _slurm() -> tf.distribute.cluster_resolver.ClusterResolver:
    """Return the cluster of a Slurm step.

    TensorFlow's resolver divides the GPUs of a node among its tasks, unless Slurm has bound them to tasks already.
    It takes for granted that there are GPUs; where there are none, only its addresses are used.
    """
    resolvers = tf.distribute.cluster_resolver
    bound = "SLURM_GPUS_PER_TASK" in os.environ
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    has_gpus = visible != "" if visible is not None else shutil.which("nvidia-smi") is not None
    try:
        if has_gpus and not bound:
            return resolvers.SlurmClusterResolver()
        # One imagined GPU for each task, so that it lists the addresses of all.
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        slurm = resolvers.SlurmClusterResolver(gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
        cluster = slurm.cluster_spec()
        kind, index = slurm.get_task_info()
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EfficientNetError(f"Slurm's step makes no cluster of workers: {reason}") from error
    gpus = len(tf.config.list_physical_devices("GPU"))
    return resolvers.SimpleClusterResolver(
        cluster, task_type=kind, task_id=index, num_accelerators={"GPU": gpus}, rpc_layer="grpc"
    )
