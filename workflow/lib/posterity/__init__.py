"""The library of the stages of Posterity. Import single modules: the package imports none."""
