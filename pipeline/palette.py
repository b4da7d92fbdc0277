"""One colour a flight phase and a state, the same on every page: Okabe and Ito's set, safe for the colour-blind."""

ANOMALY = "#d55e00"
PHASE_COLOURS = {
    "GROUND": "#8a8f98",
    "TAKEOFF": "#e69f00",
    "CLIMB": "#009e73",
    "CRUISE": "#0072b2",
    "DESCENT": "#cc79a7",
    "TRANSITION": "#56b4e9",
}
