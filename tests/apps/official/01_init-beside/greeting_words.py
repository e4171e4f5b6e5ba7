def greeting(word: str) -> str:
    return f"{word} from the worker"
