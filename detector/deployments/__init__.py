"""Deployments: places, visits, clocks and effort."""
