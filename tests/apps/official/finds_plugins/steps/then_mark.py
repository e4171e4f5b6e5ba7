def apply(text: str) -> str:
    return f"{text}!"
