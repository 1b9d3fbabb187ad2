"""Where frames come from: cameras, video files, recorder segments, and which frames need inference."""
