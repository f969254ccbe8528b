"""What `import fip` gives a program: each name is a few lines here, and the functions of the daemons elsewhere.

`fip.__init__` says which names there are, and imports their modules when they are first used: daemons stay lean.
"""
