"""Campaigns: the durable workflow, its stages, how one is planned, and the rules that start one."""
