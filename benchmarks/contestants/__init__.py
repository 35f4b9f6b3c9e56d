"""The contestants, each as its own documentation recommends.

Every function takes `benchmarks.work.Settings` and `benchmarks.data.Data` and returns the
`benchmarks.work.Work` to time. A module imports its own libraries and none of the others'.
"""
