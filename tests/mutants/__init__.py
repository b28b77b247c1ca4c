"""Deliberate errors and what runs the tests against them: do the tests notice what a reader would see?"""
