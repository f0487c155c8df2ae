"""A camera as the source of images: the sensor's port, its setup, crop and scaling, answers as text."""
