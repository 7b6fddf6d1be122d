"""Sentences, words, WordPiece and vocabularies."""
