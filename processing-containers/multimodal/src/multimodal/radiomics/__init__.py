"""Volume, masks and a profile to coded features, SR and SEG."""
