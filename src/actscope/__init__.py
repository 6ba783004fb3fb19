"""Which activation function learns at which learning rate, and how do the others die?"""
