"""What strangers may send: completions, data, recipes and requests made to break their readers."""
