"""What a training tries: features, ways to tell the phase, and tests; the names by which its figures are found."""

FEATURES = (
    "altitude_meters",
    "velocity_kmh",
    "altitude_change",
    "velocity_change",
    "rolling_avg_altitude",
    "rolling_std_altitude",
    "rolling_avg_velocity",
)
FEATURE_SETS = {
    "all seven": FEATURES,
    "without the rule's inputs": tuple(name for name in FEATURES if name not in ("altitude_meters", "altitude_change")),
    "speeds alone": tuple(name for name in FEATURES if "velocity" in name),
}
ALL, WITHOUT, SPEEDS = FEATURE_SETS

FOREST, BOOSTING, MAJORITY, THRESHOLDS = (
    "random forest",
    "gradient boosting",
    "majority vote",
    "the rule's thresholds on what the model sees",
)

TRAIN = "train"
TESTS = SAME_BOTH, LATER, OTHERS, HONEST = (
    "same aircraft, same time",
    "same aircraft, later",
    "other aircraft, same time",
    "other aircraft, later",
)
