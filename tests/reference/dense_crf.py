"""Mean field of a dense CRF with every pair of positions written out, in float64: memory and time grow as N²."""

import numpy as np


def positions(size):
    """Rows, columns, …: (N, axes)."""
    return np.stack([axis.ravel() for axis in np.indices(size)], axis=1).astype(np.float64)


def smoothness(size, sxy):
    return positions(size) / sxy


def appearance(size, image, sxy, srgb):
    colours = np.asarray(image, np.float64).reshape(len(positions(size)), -1)
    return np.concatenate([positions(size) / sxy, colours / srgb], axis=1)


def kernel(features, normalisation="symmetric"):
    """K̃ of all pairs, each position with itself included."""
    squares = np.square(features).sum(axis=1)
    distances = squares[:, None] + squares - 2 * features @ features.T
    K = np.exp(-0.5 * np.maximum(distances, 0, out=distances))
    sums = K.sum(axis=1)
    if normalisation == "symmetric":
        return K / np.sqrt(sums[:, None] * sums)
    return K / {"before": sums, "after": sums[:, None], "none": 1.0}[normalisation]


def mean_field(probabilities, kernels, iterations=10, compatibility=None, clip=1e-5):
    """Q of (K, *size), for kernels of (K̃, weight)."""
    classes = len(probabilities)
    penalties = 1 - np.eye(classes) if compatibility is None else np.asarray(compatibility, np.float64)
    unary = np.log(np.clip(probabilities, clip, 1).astype(np.float64)).reshape(classes, -1).T
    Q = softmax(unary)
    for _ in range(iterations):
        messages = sum(weight * (K @ Q) for K, weight in kernels)
        Q = softmax(unary - messages @ penalties.T) if kernels else softmax(unary)
    return Q.T.reshape(probabilities.shape)


def divergence(Q, probabilities, kernels, compatibility=None, clip=1e-5):
    """Σ Q (log Q - log p) + ½ Σ μ Q K̃ Q."""
    classes = len(probabilities)
    penalties = 1 - np.eye(classes) if compatibility is None else np.asarray(compatibility, np.float64)
    flat = Q.reshape(classes, -1).T.astype(np.float64)
    unary = np.log(np.clip(probabilities, clip, 1).astype(np.float64)).reshape(classes, -1).T
    messages = sum(weight * (K @ flat) for K, weight in kernels)
    return float((flat * (np.log(flat) - unary + 0.5 * messages @ penalties.T)).sum())


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
