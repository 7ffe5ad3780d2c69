
import streamlit as st
name = st.text_input("name", "world")
st.title(f"hello {name}")
