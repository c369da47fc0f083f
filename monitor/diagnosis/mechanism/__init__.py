"""Mechanism tests: did P(column | parents) move?"""
