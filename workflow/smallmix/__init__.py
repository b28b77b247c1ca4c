"""smallmix: how much does mixup help when there is little training data?"""

__version__ = "0.1.0"
