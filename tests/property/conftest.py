from hypothesis import settings

settings.register_profile("long", max_examples=5_000)  # pytest --hypothesis-profile=long tests/property
