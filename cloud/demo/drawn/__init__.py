"""The demo on drawn streets: footage, data sets, ground truth, false alarms on empty patches."""
