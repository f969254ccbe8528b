"""Gains: tables of solutions, and their application."""
