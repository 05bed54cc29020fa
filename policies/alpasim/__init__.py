"""AlpaSim's egodriver contract, both ways: foreign drivers as policies of ours, and our policies as its drivers."""
