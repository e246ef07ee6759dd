"""The knowledge graph in the portal: somebody asks as their department, and sees what owners' policies let it read.

Person ──Rights (ask)──► department ──Access (policies of the federation)──► KnowledgeGraph ──► pages and calls
"""
