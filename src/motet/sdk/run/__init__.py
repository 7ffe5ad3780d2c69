"""`with app.run():` and what it shows of the containers' output."""
