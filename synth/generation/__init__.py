"""From planned scenes to inpainted ones: the generator, labels read off differences, compositing."""
