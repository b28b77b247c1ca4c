"""smallmix: how much does mixup help when there is little training data?"""
