"""Purchase and spend models for customers who leave without saying so: pure mathematics on arrays.

The models stand behind `segmentation.scorers.CLVScorer`; this package has no public names of its own yet.
"""

__all__: list[str] = []
