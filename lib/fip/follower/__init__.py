"""Followers: functions of a state and the next stored image, called for each image of a run in order, exactly once."""
