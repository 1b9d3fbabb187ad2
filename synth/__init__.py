"""From a synthesis order to a labelled set of images. Independent of sites and campaigns."""

import os

# Before their import: diffusers and the hub's client send usage data by default.
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
